"""A whole log as lines of JSON: events in the order of their positions, between them what else belongs to streams."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Callable
from typing import Final

import msgspec

from headwater.errors import NotExportable
from headwater.store.base import StoreBase
from headwater.store.chain import GENESIS, Break, ChainHead, ChainLink, Checker
from headwater.store.line import SOURCE, Control, End, Key, Links, Mark, control_line, event_line
from headwater.store.model import StoredEvent
from headwater.store.page import Selection
from headwater.store.stream import StreamInfo, StreamSearch

ExportProgress = Callable[[int, int], None]
"""Told up to which position the export has come, and where it will end."""

_PAGE: Final = 1_000
_REMEMBERED_STREAMS: Final = 200_000


class ExportingStore(StoreBase):
    """Writes logs out. See `EventStore`."""

    async def export(
        self, *, after: int = 0, keys: bool = False, source: str = SOURCE, progress: ExportProgress | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The log as JSON Lines, up to its head at the beginning, in pieces that hold some whole lines each.

            with open("log.jsonl", "wb") as file:
                async for lines in store.export():
                    file.write(lines)

        Each line is a CloudEvent. Events have identifiers, positions, versions, times, bytes and hashes, which are
        checked; then come links, what is hidden of streams, and which subjects were forgotten; the last line has the
        hash of the last event. `import_log` makes the same log of it, on any backend. Personal fields stay encrypted.
        Snapshots and the checkpoints of subscriptions are not in it. Memory is bounded.

        Args:
            after: only events above this position, to go on after an earlier export.
            keys: the keys of subjects too, as they are wrapped: without them nobody can ever read the personal fields
                of the log that is made of this.
            source: the CloudEvents attribute of this name: what the log is called.
            progress: called after each page.

        Raises:
            NotExportable: the hash chain is broken; or links were put into a stream and are hidden there. The message
                names the place.
            StoreClosed, StorageFailed: see `page`.
        """
        head = await self.adapter.head()
        export = _Export(self, source, await self._before(after))
        while export.position < head:
            links = await self.adapter.read_chain(export.position, min(_PAGE, head - export.position))
            yield await export.lines(links)
            if progress is not None:
                progress(export.position, head)
        async for lines in export.streams(head):
            yield lines
        async for lines in export.subjects(keys=keys):
            yield lines
        yield export.end()

    async def _before(self, after: int) -> ChainHead:
        """Where the chain goes on."""
        if after <= 0:
            return ChainHead()
        links = await self.adapter.read_chain(after - 1, 1)
        if not links or links[0].event.position != after:
            raise NotExportable(f"{self.location}: there is no event at position {after} to go on after")
        return ChainHead(after, links[0].hash or GENESIS)


class _Export:
    """What one export knows.

    Args:
        store: what is exported.
        source: what the log is called.
        begin: the event that it begins behind.
    """

    def __init__(self, store: StoreBase, source: str, begin: ChainHead) -> None:
        self._adapter: Final = store.adapter
        self._source: Final = source
        self._versions: dict[str, int] = {}  # of each stream, so far as it was written
        self._complete = begin.position == 0
        self._checker: Final = Checker()
        self._checker.head = begin
        self._number: Final = itertools.count(1)

    def control(self, control: Control) -> bytes:
        """A line that is no event's."""
        return control_line(control, next(self._number), self._source)

    @property
    def position(self) -> int:
        """Of the last event that was written."""
        return self._checker.head.position

    def end(self) -> bytes:
        """The last line."""
        return self.control(End(self.position, self._checker.head.hash.hex()))

    async def lines(self, links: list[ChainLink]) -> bytes:
        """The lines of events, and before each those of the links that its stream got before it."""
        if not links or not self._checker.follow(links):
            broken = self._checker.broken or Break(self.position + 1, "the end of the log is missing")
            raise NotExportable(f"the log is broken at position {broken.position}: {broken.reason}")
        lines = []
        for event, hash_ in [(link.event, link.hash or GENESIS) for link in links]:
            if event.version != (self._known(event.stream) or 0) + 1:
                lines += await self._links_before(event)
            self._remember(event.stream, event.version)
            lines.append(event_line(event, hash_, self._source))
        return b"".join(lines)

    async def streams(self, head: int) -> AsyncGenerator[bytes, None]:
        """The lines of links at the ends of streams, and of what is hidden."""
        after = ""
        while page := await self._adapter.streams(StreamSearch(after=after, deleted=True), _PAGE):
            lines = []
            for info in page:
                if info.version != self._versions.get(info.name):
                    lines += await self._links_at_end(info, head)
                if info.first_version > 1 or info.tombstoned:
                    lines.append(self.control(Mark(info.name, int(info.first_version), info.tombstoned)))
            yield b"".join(lines)
            after = page[-1].name

    async def subjects(self, *, keys: bool) -> AsyncGenerator[bytes, None]:
        """The lines of who was forgotten; of all keys, if they are wanted."""
        after = ""
        while page := await self._adapter.keys.list(after, _PAGE):
            wanted = [key for key in page if keys or key.wrapped is None]
            yield b"".join([self.control(Key(key.subject, key.wrapped, key.master)) for key in wanted])
            after = page[-1].subject

    def _remember(self, stream: str, version: int) -> None:
        if len(self._versions) >= _REMEMBERED_STREAMS and stream not in self._versions:
            self._versions.clear()
            self._complete = False
        self._versions[stream] = version

    def _known(self, stream: str) -> int | None:
        """Up to which version the stream was written; None if that was forgotten."""
        return self._versions.get(stream, 0 if self._complete else None)

    async def _links_before(self, event: StoredEvent) -> list[bytes]:
        lines, first = await self._links(Selection(event.stream, before=event.version, backwards=True), event.version)
        self._check(event.stream, first)
        return lines

    async def _links_at_end(self, info: StreamInfo, head: int) -> list[bytes]:
        end = int(info.version) + 1
        lines, first = await self._links(Selection(info.name, before=end, backwards=True, until=head), end)
        if lines or info.last_position <= head:  # or else its end came after the export began
            self._check(info.name, first)
        return lines

    async def _links(self, selection: Selection, first: int) -> tuple[list[bytes], int]:
        """The lines of the links right before `first`, back to the stream's own events; and the first one's version."""
        assert selection.stream is not None  # noqa: S101 - links are in streams
        lines: list[bytes] = []
        while True:
            page = (await self._adapter.read(selection, _PAGE)).events
            links = list(itertools.takewhile(lambda one: one.linked_from is not None, page))[::-1]
            if links:
                first = links[0].version
                lines.insert(0, self.control(Links(selection.stream, first, [link.position for link in links])))
                selection = msgspec.structs.replace(selection, before=first)
            if len(links) < _PAGE:
                return lines, first

    def _check(self, stream: str, first: int) -> None:
        """Make sure that nothing is missing between what was written of a stream and this version."""
        known = self._known(stream)
        if known is not None and first > known + 1:
            raise NotExportable(
                f"stream {stream!r} has links in versions {known + 1} to {first - 1} that are hidden: make them "
                "visible by truncating it before version 1, export, and truncate it again"
            )
