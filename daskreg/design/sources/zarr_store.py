"""A zarr store in which an absent chunk is an error, where zarr would give the fill value."""

from __future__ import annotations

from typing import Any

from zarr.storage import WrapperStore  # noqa: TID253 - loaded only where a zarr array is

from daskreg.exceptions import MissingChunksError

_METADATA = (".zarray", ".zattrs", ".zgroup", ".zmetadata", "zarr.json")


class RefusingStore(WrapperStore[Any]):
    """Another store, read only through here.

    Raises
    ------
    MissingChunksError
        From ``get``, for a chunk that is not there.
    """

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        """The bytes of a key."""
        found = await self._store.get(key, prototype, byte_range)
        if found is None and not key.endswith(_METADATA):
            raise MissingChunksError(
                f"chunk {key} of {self._store} has gone since the array was opened; it would be "
                "read as the fill value: was the store moved or written anew?"
            )
        return found
