"""The process-wide book of blocks that stay on the card: device bytes, counted apart."""

from __future__ import annotations

import queue

from daskreg.design.book import Book

from .blocks import DeviceBlock

#: Gets None when nothing is kept on the card any more.
EMPTIED: queue.SimpleQueue[None] = queue.SimpleQueue()

#: None of it is the process's memory: ``sys.getsizeof`` of a shard, by which Dask spills, counts
#: host bytes only.
SHELF: Book[DeviceBlock] = Book(EMPTIED)
