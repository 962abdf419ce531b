"""What a backend of the event store must do, and nothing else.

The facade (`store.EventStore`) owns checks, encoding and identifiers; an adapter stores bytes and gives them back.
It may raise, besides `InternalError`: `WrongExpectedVersion`, `ConditionFailed`, `PipelineBroken`, `DuplicateEvent`,
`StreamDeleted`, `StreamNotFound`, `EventNotFound`, `StoreClosed`, `StoreReadOnly`, `StoreOverloaded`,
`OutcomeUnknown`, `StorageFailed` and `StorageFull`; on opening also `StoreLocked`, `NotAStore` and `NewerSchema`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import msgspec

from headwater.errors import HeadwaterError
from headwater.store.chain import ChainHead, ChainLink
from headwater.store.key_adapter import KeyAdapter
from headwater.store.model import Appended, Context, ExpectedVersion, NewEvent
from headwater.store.page import Page, Selection
from headwater.store.query import AppendCondition
from headwater.store.stream import Linked, Snapshot, StreamInfo, StreamSearch
from headwater.store.subscription_adapter import SubscriptionAdapter

_log: Final = logging.getLogger("headwater.store")


def settle(answer: asyncio.Future[Any], outcome: object) -> None:
    """Let a future have an outcome, or raise it if it is an error; unless whoever waits has given up."""
    if answer.done():
        return
    if isinstance(outcome, HeadwaterError):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)


class AppendPart(msgspec.Struct, frozen=True, gc=False):
    """What an append adds to one stream.

    Attributes:
        stream: the stream's name.
        expected: what version the stream must be at.
        events: at least one.
    """

    stream: str
    expected: ExpectedVersion
    events: Sequence[NewEvent]


class Append(msgspec.Struct, eq=False):
    """One atomic append, on its way through a backend's queue.

    Attributes:
        parts: what is added to each stream; at least one part, and no stream twice unless it is sure to fail.
        context: stored beside each event.
        condition: what must hold of the log besides; None for nothing.
        follows: an append which this one was decided upon. If that one failed, this one fails with
            `PipelineBroken`, whatever the stream's version happens to be: another writer may have appended as many
            events as the failed append had, and the versions would match by accident.
        idempotent: the ids may have been used before, by this very append: then it is answered as it was the first
            time, whatever it expects and under whatever condition.
        recorded_at: when its events were recorded, in microseconds since 1970-01-01 UTC, if that was in another log
            from which they are imported; None for the time at which they are appended.
        failed: set by the backend before it looks at those that follow this one.
        outcome: what became of it, known on the event loop that submitted it once it is durable or has failed: an
            `Appended`, or the error; None until then.
    """

    parts: Sequence[AppendPart]
    context: Context
    condition: AppendCondition | None = None
    follows: Append | None = None
    idempotent: bool = False
    recorded_at: int | None = None
    failed: bool = False
    outcome: object = None
    _told: Callable[[], None] | None = None
    _answer: asyncio.Future[Appended] | None = None

    @property
    def answer(self) -> asyncio.Future[Appended]:
        """A future that ends as the append does, made for those who ask for it; on the event loop."""
        if self._answer is None:
            self._answer = asyncio.get_running_loop().create_future()
            if self.outcome is not None:
                settle(self._answer, self.outcome)
        return self._answer

    def tell(self, callback: Callable[[], None]) -> None:
        """Call back, on the event loop, when the outcome is known: in the same turn, if it isn't yet.

        One callback an append. For those who have many appends under way: a future's callbacks would cost the event
        loop a turn for each of them.
        """
        if self.outcome is None:
            self._told = callback
            return
        if self._answer is not None and not self._answer.cancelled():
            self._answer.exception()  # whoever is told may not want to know more: nobody has overlooked it
        asyncio.get_running_loop().call_soon(callback)

    def resolve(self, outcome: object) -> None:
        """Let the outcome be known: an `Appended`, or an error. Only the first one counts. For backends."""
        if self.outcome is not None:
            return
        self.outcome = outcome
        told, self._told = self._told, None
        if self._answer is not None:
            settle(self._answer, outcome)
        elif told is None and not isinstance(outcome, Appended):
            _ = self.answer  # asyncio reports an error that nobody looks at
        if told is not None:
            try:
                told()
            except Exception:  # noqa: BLE001 - those that are answered behind it haven't done anything wrong
                _log.exception("a callback of an append to %r raised", self.stream)

    @property
    def stream(self) -> str:
        """The first stream, for messages."""
        return self.parts[0].stream

    @property
    def count(self) -> int:
        """How many events there are, in all streams."""
        return sum([len(part.events) for part in self.parts])


class Capabilities(msgspec.Struct, frozen=True):
    """In what backends differ. The conformance suite reads this instead of leaving tests out.

    Attributes:
        durable: what was appended is there when the store is opened again.
        shared: other processes may read the log while it is written.
        many_writers: several stores may append to one log at the same time.
    """

    durable: bool
    shared: bool
    many_writers: bool


class LogAdapter(Protocol):
    """The log. Opened by the backend's own class method; used from one event loop.

    It promises:

    - positions are 1, 2, 3 … in commit order, without gaps; versions are 1, 2, 3 … in each stream;
    - a reader that has seen position p never later finds an event at or below p that it has not seen;
    - appends take effect, and are answered, in the order in which they were submitted; what an append expects of
      streams, and its condition, are checked against the log at just the place that it takes in it;
    - an append is answered only when it is as durable as `durability` says, and events of one append become
      visible together or not at all, and lie next to each other in the log, part by part;
    - a failed append changes nothing and fails only itself and those that follow it by `Append.follows`;
      when the storage itself fails, all appends of the group fail alike;
    - what is refused is refused for the first of these reasons that holds: `PipelineBroken`; an idempotent append
      whose ids are used otherwise, `DuplicateEvent`; then part by part `StreamDeleted`, `WrongExpectedVersion`;
      then `ConditionFailed`; then an id that is used already, `DuplicateEvent`;
    - an idempotent append is the same as one in the log if its ids are those of a whole append there, in this order,
      and each event has the same stream, type, schema, data and tags. The context may differ;
    - the time of an event is `Append.recorded_at` if that is given, or else the time of the commit or shortly before;
      if that is lower than the time of the event before it, it is that one's time.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What this backend can do."""

    @property
    def durability(self) -> str:
        """How durable an append is when it is answered.

        `full`: on the disk. `relaxed`: may be lost with the machine, not with the process. `none`: lost when the store
        is closed.
        """

    @property
    def location(self) -> str:
        """Where the events lie, for people: a file or a URL without secrets."""

    def submit(self, append: Append) -> None:
        """Queue an append. Never blocks; `append.resolve` is called with the outcome.

        On failure it sets `append.failed` before it looks at those that follow; in any case it sets
        `append.follows` to None once it was looked at.

        Raises:
            StoreClosed: the store is closed.
            StoreReadOnly: it was opened for reading only.
            StoreOverloaded: the queue is full; nothing was queued.
        """

    async def room(self) -> None:
        """Wait until `submit` would queue, or the store is closed. Not fair: the facade sees to the order."""

    async def read(self, selection: Selection, limit: int) -> Page:
        """The next events of a selection, `limit` of them or all that there are; one snapshot."""

    def recent(self, selection: Selection, limit: int) -> Page | None:
        """What `read` would give, if the backend has it in memory; None if it hasn't, or the store is closed.

        A shortcut for readers who follow the head. It may be a little behind the storage, but never behind what `read`
        or `head` have given, nor behind an append that was answered; and there is at least one event above
        `selection.after`, though perhaps none that the selection means.
        """

    async def head(self) -> int:
        """The highest position that a reader sees now; 0 for an empty log."""

    async def read_chain(self, after: int, limit: int) -> list[ChainLink]:
        """The next events above position `after` with the hashes that are stored beside them, unchecked.

        In the order of their positions, `limit` of them or all that there are, whatever the positions are.
        """

    async def chain_head(self) -> ChainHead:
        """How many events there should be, and the hash of the last one, as the last append has noted it."""

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` on the event loop soon after new events or links have become visible. Returns what ends it.

        A wake-up carries no data and may come late, early or once for many appends; it is never missed.
        Commits of other processes on the same log count too. None come once the store is closing.

        Raises:
            StoreClosed: the store is closed.
        """

    async def close(self) -> None:
        """Answer what is queued, then release everything. Harmless when closed already."""


class StreamsAdapter(Protocol):
    """What is kept about streams, and changed there while the events themselves never change.

    Changes take effect in order with appends, and are answered when they are as durable as those.
    """

    async def stream_info(self, name: str) -> StreamInfo | None:
        """What is known of a stream; None when it never had an event."""

    async def streams(self, search: StreamSearch, limit: int) -> list[StreamInfo]:
        """The next streams that are searched for, `limit` of them or all that there are.

        In the order of their names' UTF-8 bytes.
        """

    async def link(self, stream: str, positions: Sequence[int], expected: ExpectedVersion) -> Linked:
        """Put events of the log into another stream too, behind its last version, all or none.

        Raises:
            EventNotFound: no event lies at a position.
            DuplicateEvent: an event is in the stream already.
            StreamDeleted, WrongExpectedVersion: like an append.
        """

    async def truncate(self, stream: str, before: int | None, expected: ExpectedVersion) -> StreamInfo:
        """Have reads skip the versions below `before`; None: all that there are. Replaces an earlier truncation.

        Bounds outside 1 … version + 1 are taken as the nearest of these.

        Raises:
            StreamNotFound: the stream never had an event.
            StreamDeleted, WrongExpectedVersion: like an append.
        """

    async def tombstone(self, stream: str, expected: ExpectedVersion) -> StreamInfo:
        """Truncate all of a stream, and refuse everything that would change it, for ever.

        A stream that never had an event can be closed so too; it has version 0 then.

        Raises:
            StreamDeleted, WrongExpectedVersion: like an append.
        """


class SnapshotAdapter(Protocol):
    """Keeps snapshots of aggregates: one for each stream and key."""

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keep it instead of an older one of the same stream and key; one with a higher version stays."""

    async def load_snapshot(self, stream: str, key: str) -> Snapshot | None:
        """The snapshot of this stream and key, if there is one."""

    async def delete_snapshots(self, stream: str, key: str | None) -> None:
        """Forget the stream's snapshot of this key; None for all of its keys. Harmless when there is none."""


class StoreAdapter(LogAdapter, StreamsAdapter, SnapshotAdapter, Protocol):
    """A whole backend."""

    @property
    def subscriptions(self) -> SubscriptionAdapter:
        """Where the checkpoints of named subscriptions are kept."""

    @property
    def keys(self) -> KeyAdapter:
        """Where the keys of subjects are kept."""
