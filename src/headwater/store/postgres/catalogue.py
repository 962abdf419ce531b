"""What the writer knows of the log without asking the database, and until when it knows it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from itertools import islice
from typing import Final

import msgspec

from headwater.store.chain import GENESIS, tags_text

_REMEMBERED_TAGS: Final = 10_000


class Head(msgspec.Struct, frozen=True):
    """The row that everybody who writes updates.

    Attributes:
        revision: rises by one with everything that is written.
        position: of the last event.
        hash: of the last event.
        recorded_at: of the last event, in microseconds since 1970-01-01 UTC.
        streams: the highest number of a stream.
        types: the highest number of a type.
    """

    revision: int = -1
    position: int = 0
    hash: bytes = GENESIS
    recorded_at: int = 0
    streams: int = 0
    types: int = 0


class StreamState(msgspec.Struct, frozen=True, gc=False):
    """A stream as the last change left it.

    Attributes:
        id: its number in the database; 0 when it doesn't exist.
        version: the version of its last event.
        first: the lowest version that can be read.
        tombstoned: closed for ever.
    """

    id: int
    version: int
    first: int = 1
    tombstoned: bool = False


NO_STREAM: Final = StreamState(0, 0)


class Catalogue:
    """Committed facts, as of one revision of the log. At another one only the types still hold.

    Streams are remembered up to a limit; those least recently appended to are forgotten first.

    Args:
        limit: how many streams to remember.

    Attributes:
        tags_text: see `chain.tags_text`; the texts of 10,000 sets of tags are remembered, which hold always.
    """

    __slots__ = ("_limit", "head", "streams", "tags_text", "types")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.head = Head()
        self.streams: dict[str, StreamState] = {}
        self.types: dict[tuple[str, int], int] = {}
        self.tags_text: Callable[[tuple[str, ...]], str | None] = lru_cache(_REMEMBERED_TAGS)(tags_text)

    def forget(self) -> None:
        """The log may have been written to by somebody else, or not by us when we think so."""
        self.head = Head()
        self.streams.clear()
        self.types.clear()

    @property
    def fresh(self) -> bool:
        """Whether anything is known that may still hold."""
        return self.head.revision >= 0

    def learn(self, head: Head, types: Mapping[tuple[str, int], int]) -> None:
        """What a snapshot of the database has said."""
        if head.revision != self.head.revision:
            self.streams.clear()
        self.head = head
        self.types.update(types)

    def adopt(self, head: Head, streams: Mapping[str, StreamState], types: Mapping[tuple[str, int], int]) -> None:
        """What was committed upon everything that is known."""
        self.head = head
        self.types.update(types)
        for name, state in streams.items():
            self.streams.pop(name, None)  # so that it moves to the end, the last to be forgotten
            self.streams[name] = state
        surplus = len(self.streams) - self._limit
        for name in list(islice(self.streams, max(0, surplus))):
            del self.streams[name]

    def unknown(self, names: Iterable[str]) -> set[str]:
        """Those of the streams of which nothing is known."""
        return {name for name in names if name not in self.streams}
