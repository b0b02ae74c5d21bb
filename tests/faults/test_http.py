"""A server of files that fails now and then, and one that fails for good."""

from __future__ import annotations

import collections
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import zarr
from fsspec.spec import AbstractFileSystem

import daskreg
from daskreg.design.passes import retries
from daskreg.exceptions import DataError

N, P, CHUNK = 4000, 6, 500


class Handler(SimpleHTTPRequestHandler):
    """Serves files, and refuses those that ``busy`` says so many times."""

    busy: collections.Counter[str]
    served: collections.Counter[str]

    def do_GET(self) -> None:
        name = self.path.rpartition("/X.zarr/")[2]
        if self.busy[name] > 0:
            self.busy[name] -= 1
            self.send_error(503)
            return
        self.served[name] += 1
        super().do_GET()

    def log_message(self, format: str, *args: Any) -> None: ...


class Plain(AbstractFileSystem):
    """What fsspec needs of a server, in terms of ``urllib``: for machines without aiohttp."""

    protocol = "plain"
    cachable = False

    def _answer(self, path: str) -> bytes:
        url = "http://" + self._strip_protocol(path)
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            if error.code == 404:
                raise FileNotFoundError(path) from error
            raise

    def cat_file(self, path: str, start: Any = None, end: Any = None, **kwargs: Any) -> bytes:
        return self._answer(path)[start:end]

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        page = self._answer(path.rstrip("/") + "/").decode()
        names = [part.partition('"')[0] for part in page.split('href="')[1:]]
        found = [
            {
                "name": f"{self._strip_protocol(path).rstrip('/')}/{name.rstrip('/')}",
                "type": "directory" if name.endswith("/") else "file",
                "size": None,
            }
            for name in names
        ]
        return found if detail else [one["name"] for one in found]

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        return {"name": path, "type": "file", "size": len(self._answer(path))}


fsspec.register_implementation("plain", Plain, clobber=True)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ThreadingHTTPServer]:
    handler = type(
        "Own", (Handler,), {"busy": collections.Counter(), "served": collections.Counter()}
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(tmp_path))) as server:
        server.of = handler
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(params=["plain", "http"])
def url(request: pytest.FixtureRequest, server: Any, tmp_path: Path) -> str:
    if request.param == "http":
        pytest.importorskip("aiohttp")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, P))
    array = zarr.create_array(
        str(tmp_path / "X.zarr"), shape=X.shape, dtype=X.dtype, chunks=(CHUNK, P)
    )
    array[:] = X
    np.save(tmp_path / "y.npy", X[:, 0] + rng.normal(size=N))
    return f"{request.param}://127.0.0.1:{server.server_port}/X.zarr"


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits are noted, and not kept."""
    waits: list[float] = []
    monkeypatch.setattr(retries.time, "sleep", waits.append)
    return waits


def fitted(X: Any, folder: Path) -> Any:
    return daskreg.Lasso(alpha=0.1, block_size="24KiB", solver="fista", cache=None).fit(
        X, np.load(folder / "y.npy")
    )


def test_answers_of_503_are_tried_again(url: str, server: Any, tmp_path: Path) -> None:
    server.of.busy.update({"c/1/0": 2, "c/6/0": 1, "zarr.json": 1})
    model = fitted(url, tmp_path)
    np.testing.assert_array_equal(model.coef_, fitted(str(tmp_path / "X.zarr"), tmp_path).coef_)
    assert +server.of.busy == {}
    told = [event for event in model.events_ if event.kind == "retry"]
    assert sum(event.details["count"] for event in told) == 3
    assert all("503" in event.message for event in told)


def test_a_server_that_fails_for_good_is_named_with_the_rows(
    url: str, server: Any, tmp_path: Path
) -> None:
    server.of.busy["c/3/0"] = 10**6
    with pytest.raises(DataError, match=r"rows 1500 to 1999 of X .*c/3/0.*503") as error:
        fitted(url, tmp_path)
    assert "again and again" in str(error.value)
    server.of.busy["zarr.json"] = 10**6
    with pytest.raises(
        DataError, match=r"X \(.*/X\.zarr\) cannot be opened: .*503.*again and again"
    ):
        fitted(url, tmp_path)


def test_a_chunk_that_has_gone_is_named(url: str, server: Any, tmp_path: Path) -> None:
    (tmp_path / "X.zarr" / "c" / "3" / "0").unlink()
    with pytest.raises(DataError, match="c/3/0"):
        fitted(url, tmp_path)
