"""A log out of the lines of an export: the same events at the same positions, checked against their hashes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Final

import msgspec

from headwater.errors import (
    BrokenExport,
    DuplicateEvent,
    EventNotFound,
    ForeignLog,
    InvalidStreamName,
    InvalidTag,
    PipelineBroken,
    StoreError,
    StoreOverloaded,
    StreamDeleted,
    WrongExpectedVersion,
)
from headwater.store.adapter import Append, AppendPart, StoreAdapter
from headwater.store.base import StoreBase
from headwater.store.chain import GENESIS, ChainHead, ChainLink, hash_of
from headwater.store.import_controls import take_control
from headwater.store.line import Control, End, parse
from headwater.store.model import Context, NewEvent, StoredEvent
from headwater.store.naming import check_stream_name, check_tags
from headwater.types import Position

ImportProgress = Callable[[int, int], None]
"""Told up to which position the import has come, and how many lines were read."""

_UNDER_WAY_EVENTS: Final = 5_000
_UNDER_WAY_APPENDS: Final = 500
_YIELD_LINES: Final = 500
_REFUSED: Final = (
    WrongExpectedVersion,
    DuplicateEvent,
    StreamDeleted,
    EventNotFound,
    InvalidStreamName,
    InvalidTag,
)


class Imported(msgspec.Struct, frozen=True):
    """What an import has done.

    Attributes:
        position: of the last event of the log now.
        events: how many were appended.
        known: how many were there already.
        lines: how many lines were read.
    """

    position: Position
    events: int
    known: int
    lines: int


class ImportingStore(StoreBase):
    """Reads logs in. See `EventStore`."""

    async def import_log(self, lines: Iterable[bytes], *, progress: ImportProgress | None = None) -> Imported:
        """Make the log that an export was made of, or go on with making it: the same positions, identifiers and times.

            with open("log.jsonl", "rb") as file:
                await store.import_log(file)

        What is there already is compared and skipped, so an import that was interrupted is just begun again. Each
        append of the old log is one here, all or nothing. Nobody else may append meanwhile. Each event must have the
        hash that its line tells, and the log in the end the hash that the last line tells: then all is as it was.

        Args:
            lines: of an export that begins at the beginning, or where this log ends; a file that is open for bytes will
                do. They are read one by one.
            progress: called now and then.

        Raises:
            BrokenExport: a line can't be what was written, or the last one is missing. It is named. What stood before
                it was imported.
            ForeignLog: the store has other events than the first ones of the export, or somebody else appends.
            StoreClosed, StoreReadOnly, StorageFailed: see `append`. What came before was imported.
        """
        return await _Import(self.adapter, progress).run(lines)


class _Import:
    """One import under way.

    Args:
        adapter: where to.
        progress: who wants to know.
    """

    def __init__(self, adapter: StoreAdapter, progress: ImportProgress | None) -> None:
        self._adapter: Final = adapter
        self._progress: Final = progress
        self._line = 0
        self._known = ChainHead()  # what the store has already
        self._at: ChainHead | None = None  # the last event of the lines
        self._recorded_at = 0
        self._group: list[StoredEvent] = []  # of one append, as far as it was read
        self._under_way: deque[tuple[int, int, Append]] = deque()
        self._last: Append | None = None
        self._ended = False
        self._begun_at = 0

    async def run(self, lines: Iterable[bytes]) -> Imported:
        """Go through the lines."""
        self._known = await self._adapter.chain_head()
        try:
            for self._line, text in enumerate(lines, start=1):
                await self._take(text)
                if self._line % _YIELD_LINES == 0:
                    await asyncio.sleep(0)
        finally:
            await self._settle()
        if not self._ended:
            raise BrokenExport(self._line + 1, "the export was cut off: it has no last line")
        position = max(self._known.position, self._position)
        known = max(0, min(self._known.position, self._position) - self._begun_at)
        events = max(0, self._position - self._known.position)
        return Imported(Position(position), events, known, self._line)

    @property
    def _position(self) -> int:
        return 0 if self._at is None else self._at.position

    async def _take(self, text: bytes) -> None:
        try:
            found = parse(text)
        except (ValueError, OverflowError) as error:  # what msgspec raises is one too
            raise BrokenExport(self._line, f"this is no line of an export: {error}") from error
        self._ended = isinstance(found, End)
        if isinstance(found, ChainLink):
            await self._take_event(found.event, found.hash)
        else:
            await self._settle()
            await self._take_control(found)

    # --- events ------------------------------------------------------------------------------------------------

    async def _take_event(self, event: StoredEvent, noted: bytes | None) -> None:
        if self._at is None:
            await self._begin(event)
        self._check(event)
        assert self._at is not None  # noqa: S101 - it has just begun
        self._at = ChainHead(event.position, hash_of(event, self._at.hash))
        if self._at.hash != noted:
            self._break("the line was altered: this isn't the hash of what stands here, behind what stands before it")
        self._recorded_at = event.microseconds
        if event.position <= self._known.position:
            if self._at.position == self._known.position and self._at.hash != self._known.hash:
                raise ForeignLog(f"{self._adapter.location}: its {event.position:,} events are not those of the export")
            return
        self._group.append(event)
        if event.remaining == 0:
            await self._append()

    async def _begin(self, event: StoredEvent) -> None:
        """The hash before the first line's event is the store's own, if it isn't the first event of all."""
        before = event.position - 1
        if before > self._known.position:
            self._break(f"the export begins at position {event.position}, this log ends at {self._known.position}")
        links = await self._adapter.read_chain(before - 1, 1) if before else []
        self._at = ChainHead(before, (links[0].hash or GENESIS) if links else GENESIS)
        self._recorded_at = links[0].event.microseconds if links else 0
        self._begun_at = before

    def _check(self, event: StoredEvent) -> None:
        if event.position != self._position + 1:
            self._break(f"position {self._position + 1} should come here, not {event.position}")
        if self._group and event.remaining != self._group[-1].remaining - 1:
            self._break(f"{self._group[-1].remaining} more events of one append should come here")
        if event.microseconds < self._recorded_at:
            self._break("the event was recorded before the one in front of it")
        try:
            check_stream_name(event.stream)
            check_tags(event.tags)
        except (InvalidStreamName, InvalidTag) as error:
            self._break(str(error))

    def _break(self, reason: str) -> None:
        raise BrokenExport(self._line, reason)

    async def _append(self) -> None:
        """Append what was read of one append, behind those that are under way."""
        group, self._group = self._group, []
        append = Append(
            [_part(stream, list(events)) for stream, events in groupby(group, lambda one: one.stream)],
            _context(group[0]),
            follows=self._last,
            recorded_at=group[0].microseconds,
        )
        await self._submit(append)
        self._last = append
        self._under_way.append((self._line, group[-1].position, append))
        if len(self._under_way) >= _UNDER_WAY_APPENDS or self._position - self._under_way[0][1] >= _UNDER_WAY_EVENTS:
            await self._settle()

    async def _submit(self, append: Append) -> None:
        while True:
            await self._adapter.room()
            try:
                return self._adapter.submit(append)
            except StoreOverloaded:
                continue

    async def _settle(self) -> None:
        """Wait for all that is under way; the first that failed tells why."""
        under_way, self._under_way, self._last = list(self._under_way), deque(), None
        failure: Exception | None = None
        for line, position, append in under_way:
            try:
                appended = await append.answer
            except StoreError as error:
                failure = failure or self._failure(line, error)
            else:
                if appended.position != position:
                    failure = failure or ForeignLog(f"{self._adapter.location}: somebody else appends to it")
        if failure is not None:
            raise failure
        if self._progress is not None and under_way:
            self._progress(under_way[-1][1], self._line)

    def _failure(self, line: int, error: StoreError) -> StoreError:
        if not isinstance(error, (*_REFUSED, PipelineBroken)):
            return error
        broken = BrokenExport(line, str(error))
        broken.__cause__ = error
        return broken

    # --- what else belongs to a log ----------------------------------------------------------------------------

    async def _take_control(self, found: Control) -> None:
        if isinstance(found, End):
            await self._end(found)
            return
        try:
            await take_control(self._adapter, found, self._line)
        except _REFUSED as error:
            raise BrokenExport(self._line, str(error)) from error

    async def _end(self, end: End) -> None:
        if self._group:
            self._break(f"{self._group[-1].remaining} more events of one append should come here")
        if self._at is None:  # no event came: an export that has nothing new
            self._at = await self._adapter.chain_head()
        if (end.position, end.hash) != (self._at.position, self._at.hash.hex()):
            self._break(f"the log should end at position {end.position} with hash {end.hash}: lines are missing")
        links = await self._adapter.read_chain(end.position - 1, 1) if end.position else []
        if end.position and (not links or links[0].hash != self._at.hash):
            raise ForeignLog(f"{self._adapter.location}: its first {end.position:,} events are not those of the export")


def _part(stream: str, events: list[StoredEvent]) -> AppendPart:
    new = [NewEvent(event.type, event.schema, event.data.encode(), event.id_bytes, event.tags) for event in events]
    return AppendPart(stream, events[0].version - 1, new)


def _context(event: StoredEvent) -> Context:
    metadata = None if event.metadata_json is None else event.metadata_json.encode()
    return Context(event.causation_bytes, event.correlation_bytes, metadata)
