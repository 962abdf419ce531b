"""The event store in memory: for tests of applications, and the plainest statement of what a backend does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from headwater.clock import Clock, SystemClock
from headwater.errors import DuplicateEvent, EventNotFound, StoreClosed, StoreError, StreamNotFound
from headwater.store.adapter import Append, Capabilities
from headwater.store.chain import ChainHead, ChainLink
from headwater.store.expectation import unmet
from headwater.store.memory_append import MemoryAppend
from headwater.store.memory_keys import MemoryKeys
from headwater.store.memory_log import MemoryLog, MemoryStream
from headwater.store.memory_subscriptions import MemorySubscriptions
from headwater.store.model import ExpectedVersion
from headwater.store.page import Page, Selection
from headwater.store.stream import Linked, Snapshot, StreamInfo, StreamSearch, repeated
from headwater.store.watchers import Watchers
from headwater.types import Version


class MemoryAdapter:
    """The event store in memory. It is empty when it is made, and gone when it is closed.

    Fulfils `headwater.store.adapter.StoreAdapter`. An append takes effect within `submit`.

    Args:
        clock: when events are recorded; the system's by default.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock: Final = clock or SystemClock()
        self._loop: Final = asyncio.get_running_loop()
        self._log: Final = MemoryLog()
        self._snapshots: Final[dict[tuple[str, str], Snapshot]] = {}
        self._watchers: Final = Watchers()
        self._ringing = False
        self._closed = False
        self.subscriptions: Final = MemorySubscriptions(self._require_open)
        self.keys: Final = MemoryKeys(self._require_open)

    @property
    def capabilities(self) -> Capabilities:
        """Nothing lasts, nothing is shared."""
        return Capabilities(durable=False, shared=False, many_writers=False)

    @property
    def durability(self) -> str:
        """`none`: everything is lost when the store is closed."""
        return "none"

    @property
    def location(self) -> str:
        """The store's URL."""
        return "memory://"

    # --- the log -----------------------------------------------------------------------------------------------

    def submit(self, append: Append) -> None:
        """Append, and resolve the answer at once.

        Raises:
            StoreClosed: the store is closed.
        """
        self._require_open()
        outcome = MemoryAppend(self._log, append).run(self._clock.wall() // 1_000)
        append.follows = None
        append.failed = isinstance(outcome, StoreError)
        append.resolve(outcome)
        if not append.failed:
            self._ring()

    async def room(self) -> None:
        """There is always room."""

    async def read(self, selection: Selection, limit: int) -> Page:
        """The next events of a selection."""
        self._require_open()
        await asyncio.sleep(0)  # as with any other backend, others get on while somebody reads
        return Page(self._log.select(selection, limit), len(self._log.events))

    def recent(self, selection: Selection, limit: int) -> Page | None:
        """Everything is in memory, and no way is shorter than `read`."""
        return None

    async def head(self) -> int:
        """The highest position."""
        self._require_open()
        return len(self._log.events)

    async def read_chain(self, after: int, limit: int) -> list[ChainLink]:
        """The next events with their hashes."""
        self._require_open()
        after = max(0, after)
        events = self._log.events[after : after + limit]
        return [ChainLink(event, self._log.hashes[event.position - 1]) for event in events]

    async def chain_head(self) -> ChainHead:
        """Where the chain ends."""
        self._require_open()
        return self._log.chain_head

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` in a turn of the event loop behind each append."""
        self._require_open()
        return self._watchers.add(wake)

    async def close(self) -> None:
        """Forget who watches. Harmless when closed already."""
        self._closed = True
        self._watchers.close()

    # --- streams -----------------------------------------------------------------------------------------------

    async def stream_info(self, name: str) -> StreamInfo | None:
        """What is known of a stream."""
        self._require_open()
        stream = self._log.streams.get(name)
        return None if stream is None else self._log.info(stream)

    async def streams(self, search: StreamSearch, limit: int) -> list[StreamInfo]:
        """The next streams that are searched for."""
        self._require_open()
        names = (name for name in self._log.streams if name.startswith(search.prefix))
        after = search.after.encode()
        infos: list[StreamInfo] = []
        for name in sorted(names, key=str.encode):
            info = self._log.info(self._log.streams[name])
            if name.encode() > after and (search.deleted or not info.deleted) and len(infos) < limit:
                infos.append(info)
        return infos

    async def link(self, stream: str, positions: Sequence[int], expected: ExpectedVersion) -> Linked:
        """Put events of the log into another stream too."""
        found = self._changeable(stream, expected)
        self._check_links(found, positions)
        for position in positions:
            found.add(position, head=len(self._log.events))
        self._log.streams[stream] = found
        self._ring()
        return Linked(stream, Version(found.version), len(positions))

    async def truncate(self, stream: str, before: int | None, expected: ExpectedVersion) -> StreamInfo:
        """Have reads skip versions."""
        found = self._changeable(stream, expected)
        if not found.version:
            raise StreamNotFound(f"there is no stream {stream!r} to truncate")
        end = found.version + 1
        found.first = end if before is None else max(1, min(before, end))
        return self._log.info(found)

    async def tombstone(self, stream: str, expected: ExpectedVersion) -> StreamInfo:
        """Close a stream for ever."""
        found = self._changeable(stream, expected)
        found.first = found.version + 1
        found.tombstoned = True
        self._log.streams[stream] = found
        return self._log.info(found)

    # --- snapshots ---------------------------------------------------------------------------------------------

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keep it instead of an older one."""
        self._require_open()
        key = (snapshot.stream, snapshot.key)
        kept = self._snapshots.get(key)
        if kept is None or kept.version <= snapshot.version:
            self._snapshots[key] = snapshot

    async def load_snapshot(self, stream: str, key: str) -> Snapshot | None:
        """The snapshot of this stream and key."""
        self._require_open()
        return self._snapshots.get((stream, key))

    async def delete_snapshots(self, stream: str, key: str | None) -> None:
        """Forget one snapshot of the stream, or all."""
        self._require_open()
        for kept in [kept for kept in self._snapshots if kept[0] == stream and key in (None, kept[1])]:
            del self._snapshots[kept]

    # --- inside ------------------------------------------------------------------------------------------------

    def _changeable(self, name: str, expected: ExpectedVersion) -> MemoryStream:
        self._require_open()
        found = self._log.streams.get(name) or MemoryStream(name)
        error = unmet(name, expected, found.version, found.first, tombstoned=found.tombstoned)
        if error is not None:
            raise error
        return found

    def _check_links(self, stream: MemoryStream, positions: Sequence[int]) -> None:
        missing = [position for position in positions if not 0 < position <= len(self._log.events)]
        if missing:
            raise EventNotFound(f"there is no event at position {min(missing)} to link into {stream.name!r}")
        own = set(stream.positions)
        taken = min((position for position in positions if position in own), default=None) or repeated(positions)
        if taken is not None:
            event = self._log.events[taken - 1]
            raise DuplicateEvent(f"stream {stream.name!r} has the event at position {taken}", id=event.id)

    def _require_open(self) -> None:
        if self._closed:
            raise StoreClosed("memory://: the store is closed")

    def _ring(self) -> None:
        if not self._ringing and len(self._watchers):
            self._ringing = True
            self._loop.call_soon(self._ring_now)

    def _ring_now(self) -> None:
        self._ringing = False
        self._watchers.ring()
