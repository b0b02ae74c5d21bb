"""The zarr zip store of a model: written atomically, read with every size checked first.

Each array is one uncompressed chunk of a stored (not deflated) zip member, so no size in the file
can promise more bytes than the file has, and zip's CRC-32 covers every one of them.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import secrets
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from daskreg._typing import AnyArray
from daskreg.exceptions import ModelFileError

from .values import from_json, to_json

FORMAT = "daskreg-model"
FORMAT_VERSION = 1
_DTYPES = {"bool", "int8", "int32", "int64", "uint8", "float32", "float64"}
_MAX_MEMBERS = 4096
_MAX_NDIM = 5
_EPOCH = (1980, 1, 1, 0, 0, 0)  # equal models make equal files


@dataclass(frozen=True)
class StoredModel:
    """What a model file holds.

    Attributes
    ----------
    class_name : str
        Name of the estimator's class.
    params : dict
        Its constructor arguments, as far as they are data.
    arrays : dict of str to ndarray
        Numeric arrays by variable name ("coef", "intercept", ...).
    dims : dict of str to tuple of str
        Names of their dimensions.
    attributes : dict
        Everything else that was fitted: certificate, status, classes, feature names, passes ...
    """

    class_name: str
    params: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, AnyArray] = field(default_factory=dict)
    dims: dict[str, tuple[str, ...]] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)


def save_model(path: str | os.PathLike[str], model: StoredModel) -> Path:
    """Write ``model`` to ``path`` in one step: a reader sees the old file or the new one.

    Raises
    ------
    ModelFileError
        If the folder does not exist, ``path`` is a folder, or an array is not numeric.
    OSError
        If the disk is full or the folder cannot be written; names ``path``. The old file is then
        untouched.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise ModelFileError(
            f"cannot save to {target}: the folder {target.parent} does not exist; create it first"
        )
    if target.is_dir():
        raise ModelFileError(f"cannot save to {target}: it is a folder, a file name is needed")
    content = _zip_bytes(_members(model))
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with open(part, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    _sync_folder(target.parent)
    return target


def _sync_folder(folder: Path) -> None:
    """Make the new name itself durable, where the system lets a folder be synced."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _members(model: StoredModel) -> dict[str, bytes]:
    """The keys and values of the zarr store."""
    import zarr
    from zarr.storage import MemoryStore

    attributes = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "class_name": model.class_name,
        "params": {name: to_json(value) for name, value in model.params.items()},
        "attributes": {name: to_json(value) for name, value in model.attributes.items()},
    }
    members: dict[str, Any] = {}
    store = MemoryStore(members)
    group = zarr.create_group(store, zarr_format=3, attributes=attributes)
    for name, array in model.arrays.items():
        if array.dtype.name not in _DTYPES or array.size == 0 or array.ndim > _MAX_NDIM:
            raise ModelFileError(
                f"cannot save {name!r}: an array of {array.dtype}, shape {array.shape}; "
                f"model files hold non-empty {', '.join(sorted(_DTYPES))}"
            )
        created = group.create_array(
            name,
            shape=array.shape,
            chunks=array.shape,
            dtype=array.dtype.name,
            compressors=None,
            fill_value=False if array.dtype.kind == "b" else 0,
            dimension_names=model.dims.get(name) or [f"{name}_{i}" for i in range(array.ndim)],
            config={"write_empty_chunks": True},
        )
        created[...] = array
    with warnings.catch_warnings():
        # Not yet in zarr's format, but without it xarray.open_zarr warns at every reading.
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(store)
    return {key: buffer.to_bytes() for key, buffer in members.items()}


def _zip_bytes(members: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for key in sorted(members):
            archive.writestr(zipfile.ZipInfo(key, _EPOCH), members[key])
    return file.getvalue()


def load_model(path: str | os.PathLike[str]) -> StoredModel:
    """Read a model file; nothing in it is executed, and no size is trusted.

    Raises
    ------
    ModelFileError
        If the file is absent, damaged, compressed, of another format or an unknown version.
    """
    source = Path(path)
    if not source.is_file():
        raise ModelFileError(f"there is no model file {source}")
    try:
        return _parse(_read_members(source))
    except ModelFileError as error:
        raise ModelFileError(f"{source} is not a usable model file: {error}") from error
    except (
        # zipfile and json raise any of these on damaged bytes
        ArithmeticError,
        AttributeError,
        EOFError,
        LookupError,
        MemoryError,
        NotImplementedError,
        OSError,
        RuntimeError,
        TypeError,
        ValueError,
        zipfile.BadZipFile,
    ) as error:
        raise ModelFileError(
            f"{source} is damaged or not a model file ({type(error).__name__}: {error})"
        ) from error


def _read_members(source: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(source) as archive:
        infos = archive.infolist()
        if len(infos) > _MAX_MEMBERS:
            raise ModelFileError(f"it has {len(infos)} members, at most {_MAX_MEMBERS} are read")
        if len({info.filename for info in infos}) != len(infos):
            raise ModelFileError("two members have the same name")
        if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
            raise ModelFileError("its members are compressed; models are stored plain")
        promised = sum(info.file_size for info in infos)
        if promised > source.stat().st_size:
            raise ModelFileError(f"it promises {promised} bytes, more than the file has")
        return {info.filename: archive.read(info) for info in infos}


def _parse(members: Mapping[str, bytes]) -> StoredModel:
    if "zarr.json" not in members:
        raise ModelFileError("it has no zarr.json")
    root = json.loads(members["zarr.json"])
    if root.get("zarr_format") != 3 or root.get("node_type") != "group":
        raise ModelFileError("it is not a group of zarr format 3")
    attributes = root.get("attributes", {})
    if attributes.get("format") != FORMAT:
        raise ModelFileError("it is a zarr store, but not of a daskreg model")
    version = attributes.get("format_version")
    if version != FORMAT_VERSION or isinstance(version, bool):
        raise ModelFileError(
            f"its format version is {version!r}, this daskreg reads {FORMAT_VERSION}; "
            "install the daskreg that wrote it, or a newer one"
        )
    class_name = attributes["class_name"]
    if not isinstance(class_name, str):
        raise ModelFileError("class_name is not text")
    names = sorted(key.removesuffix("/zarr.json") for key in members if key.endswith("/zarr.json"))
    arrays, dims = {}, {}
    for name in names:
        arrays[name], dims[name] = _parse_array(name, members)
    known = {"zarr.json", *(f"{name}/zarr.json" for name in names)}
    known |= {_chunk_key(name, array.shape) for name, array in arrays.items()}
    if strange := sorted(members.keys() - known):
        raise ModelFileError(f"it has the member {strange[0]!r}, which is no part of a model")
    return StoredModel(
        class_name=class_name,
        params={key: from_json(value) for key, value in attributes["params"].items()},
        arrays=arrays,
        dims=dims,
        attributes={key: from_json(value) for key, value in attributes["attributes"].items()},
    )


def _parse_array(name: str, members: Mapping[str, bytes]) -> tuple[AnyArray, tuple[str, ...]]:
    """Decode one array; its only chunk must have exactly the bytes that its shape asks for."""
    if not name.isidentifier():
        raise ModelFileError(f"the array name {name!r} is not an identifier")
    meta = json.loads(members[f"{name}/zarr.json"])
    shape = tuple(meta["shape"])
    if len(shape) > _MAX_NDIM or not all(type(size) is int and size > 0 for size in shape):
        raise ModelFileError(f"array {name!r} has the shape {shape}")
    if meta["data_type"] not in _DTYPES:
        raise ModelFileError(f"array {name!r} has the type {meta['data_type']!r}")
    codecs = [(codec["name"], codec.get("configuration", {})) for codec in meta["codecs"]]
    if codecs not in ([("bytes", {})], [("bytes", {"endian": "little"})]):
        raise ModelFileError(f"array {name!r} is encoded by {[name for name, _ in codecs]}")
    if tuple(meta["chunk_grid"]["configuration"]["chunk_shape"]) != shape:
        raise ModelFileError(f"array {name!r} is not one chunk")
    dtype = np.dtype(meta["data_type"]).newbyteorder("<")
    data = members.get(_chunk_key(name, shape))
    if data is None or len(data) != math.prod(shape) * dtype.itemsize:
        raise ModelFileError(f"array {name!r}: the bytes of shape {shape}, {dtype} are not there")
    array = np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="))
    return array, tuple(str(dim) for dim in meta.get("dimension_names") or ())


def _chunk_key(name: str, shape: tuple[int, ...]) -> str:
    return "/".join([name, "c", *("0" for _ in shape)])
