"""What a backend of the event store must do, and nothing else.

The facade (`store.EventStore`) owns checks, encoding and identifiers; an adapter stores bytes and gives them
back. It may raise, besides `InternalError`: `WrongExpectedVersion`, `PipelineBroken`, `DuplicateEvent`, `StoreClosed`,
`StoreReadOnly`, `StoreOverloaded`, `StorageFailed` and `StorageFull`; on opening also `StoreLocked`, `NotAStore` and
`NewerSchema`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from headwater.store.model import Appended, Context, ExpectedVersion, NewEvent, StoredEvent, StreamInfo


class Append:
    """One atomic append, on its way through a backend's queue.

    Args:
        stream: the stream's name.
        expected: what version the stream must be at.
        events: at least one.
        context: stored beside each of them.
        follows: an append of the same stream which this one was decided upon. If that one failed, this one
            fails with `PipelineBroken`, whatever the stream's version happens to be: another writer may have
            appended as many events as the failed append had, and the versions would match by accident.
        answer: resolved on the event loop that submitted it, once the append is durable or has failed.
    """

    __slots__ = ("answer", "context", "events", "expected", "failed", "follows", "stream")

    def __init__(
        self,
        stream: str,
        expected: ExpectedVersion,
        events: Sequence[NewEvent],
        context: Context,
        follows: Append | None,
        answer: asyncio.Future[Appended],
    ) -> None:
        self.stream = stream
        self.expected = expected
        self.events = events
        self.context = context
        self.follows = follows
        self.answer = answer
        self.failed = False


class StoreAdapter(Protocol):
    """A backend. Opened by its own class method; used from one event loop.

    It promises:

    - positions are 1, 2, 3 … in commit order, without gaps; versions are 1, 2, 3 … in each stream;
    - a reader that has seen position p never later finds an event at or below p that it has not seen;
    - appends take effect, and are answered, in the order in which they were submitted;
    - an append is answered only when it is as durable as `durability` says, and events of one append become
      visible together or not at all;
    - a failed append changes nothing and fails only itself and those that follow it by `Append.follows`;
      when the storage itself fails, all appends of the group fail alike.
    """

    @property
    def durability(self) -> str:
        """`full`: on the disk before the answer. `relaxed`: may be lost with the machine, not with the process."""

    @property
    def location(self) -> str:
        """Where the events lie, for people: a file or a URL without secrets."""

    def submit(self, append: Append) -> None:
        """Queue an append. Never blocks; resolves `append.answer`.

        Raises:
            StoreClosed: the store is closed.
            StoreOverloaded: the queue is full; nothing was queued.
        """

    async def room(self) -> None:
        """Wait until `submit` would queue, or the store is closed. Not fair: the facade sees to the order."""

    async def read_all(self, after: int, limit: int) -> list[StoredEvent]:
        """The next events above position `after`, `limit` of them or all that there are, in order."""

    async def read_stream(self, stream: str, after: int, limit: int) -> list[StoredEvent]:
        """The next events of a stream above version `after`, `limit` of them or all that there are, in order."""

    async def read_last(self, stream: str) -> StoredEvent | None:
        """The stream's last event, or None when it has none."""

    async def head(self) -> int:
        """The highest position that a reader sees now; 0 for an empty log."""

    async def streams(self, after: str, limit: int) -> list[StreamInfo]:
        """The next streams by name above `after`, `limit` of them or all that there are.

        In the order of their names' UTF-8 bytes.
        """

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` on the event loop soon after new events have become visible. Returns what ends it.

        A wake-up carries no data and may come late, early or once for many appends; it is never missed.
        Commits of other processes on the same log count too. None come once the store is closing.

        Raises:
            StoreClosed: the store is closed.
        """

    async def close(self) -> None:
        """Answer what is queued, then release everything. Harmless when closed already."""
