"""The same history through two backends, compared step by step.

A history is a list of steps that hypothesis makes up. `play` goes through it on one store and notes the result of every
step; two backends that fulfil the protocol give the same notes, to the last hash.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec
from hypothesis import strategies as st

from headwater.errors import HeadwaterError
from headwater.store.adapter import Append, AppendPart
from headwater.store.model import Context, Expected, ExpectedVersion, NewEvent
from headwater.store.page import Selection
from headwater.store.query import AppendCondition, EventQuery, QueryItem
from headwater.store.store import EventStore
from headwater.store.stream import Snapshot, StreamSearch
from headwater.testing.conformance.store import SteadyClock

STREAMS: Final = ("a", "b", "c-1", "c-2")
_LIMITS: Final = (1, 2, 5, 1_000)


class EventStep(msgspec.Struct, frozen=True):
    """An event to append; its identifier is made of a small number, so that some come twice."""

    type: str
    schema: int
    amount: int
    tags: tuple[str, ...]
    id: int


class AppendStep(msgspec.Struct, frozen=True):
    """An append. `follows` counts back to the append that it was decided upon; 0 for none.

    A condition holds after the head, less `lag`.
    """

    parts: tuple[tuple[str, ExpectedVersion, tuple[EventStep, ...]], ...]
    query: EventQuery | None
    lag: int
    follows: int
    idempotent: bool
    again: bool


class BurstStep(msgspec.Struct, frozen=True):
    """Appends that are queued together."""

    appends: tuple[AppendStep, ...]


class LinkStep(msgspec.Struct, frozen=True):
    """Events to link."""

    stream: str
    positions: tuple[int, ...]
    expected: ExpectedVersion


class TruncateStep(msgspec.Struct, frozen=True):
    """A stream to truncate; None for all of it."""

    stream: str
    before: int | None
    expected: ExpectedVersion


class TombstoneStep(msgspec.Struct, frozen=True):
    """A stream to close for ever."""

    stream: str
    expected: ExpectedVersion


class SnapshotStep(msgspec.Struct, frozen=True):
    """A snapshot to save and load, or to forget when it has no data."""

    snapshot: Snapshot


class ReadStep(msgspec.Struct, frozen=True):
    """A selection to read."""

    selection: Selection
    limit: int


class SearchStep(msgspec.Struct, frozen=True):
    """Streams to list."""

    search: StreamSearch
    limit: int


class ClockStep(msgspec.Struct, frozen=True):
    """Sets the clock."""

    seconds: int


Step = BurstStep | LinkStep | TruncateStep | TombstoneStep | SnapshotStep | ReadStep | SearchStep | ClockStep

_streams: Final = st.sampled_from(STREAMS)
_expected: Final = st.sampled_from([Expected.ANY] * 4 + list(Expected)) | st.integers(0, 8)
_types: Final = st.sampled_from(["T", "U", "V"])
_tags: Final = st.lists(st.sampled_from(["p", "q", "r:1"]), max_size=2, unique=True).map(tuple)
_events: Final = st.builds(EventStep, _types, st.integers(1, 2), st.integers(0, 2), _tags, st.integers(0, 400))
_queries: Final = st.lists(
    st.builds(QueryItem, st.lists(_types, max_size=2, unique=True).map(tuple), _tags), max_size=2
).map(lambda items: EventQuery(tuple(items)))
_parts: Final = st.lists(
    st.tuples(_streams, _expected, st.lists(_events, min_size=1, max_size=3).map(tuple)),
    min_size=1,
    max_size=2,
    unique_by=lambda part: part[0],
).map(tuple)
_appends: Final = st.builds(
    AppendStep,
    parts=_parts,
    query=st.none() | _queries,
    lag=st.integers(0, 3),
    follows=st.sampled_from([0, 0, 0, 1, 2]),
    idempotent=st.booleans(),
    again=st.sampled_from([False, False, True]),
)
_bursts: Final = st.lists(_appends, min_size=1, max_size=3).map(lambda appends: BurstStep(tuple(appends)))
_selections: Final = st.builds(
    Selection,
    stream=st.none() | _streams,
    query=st.none() | _queries,
    after=st.integers(0, 12),
    before=st.none() | st.integers(0, 30),
    backwards=st.booleans(),
    until=st.none() | st.integers(0, 30),
)
_snapshots: Final = st.builds(Snapshot, _streams, st.sampled_from(["k", "l"]), st.integers(0, 3), st.binary(max_size=3))
_searches: Final = st.builds(StreamSearch, st.sampled_from(["", "c", "c-"]), st.sampled_from(["", "a"]), st.booleans())
_positions: Final = st.lists(st.integers(0, 12), min_size=1, max_size=3).map(tuple)

HISTORIES: Final = st.lists(
    _bursts
    | _bursts
    | _bursts
    | st.builds(LinkStep, _streams, _positions, _expected)
    | st.builds(TruncateStep, _streams, st.none() | st.integers(0, 8), _expected)
    | st.builds(TombstoneStep, st.sampled_from(["b", "d"]), _expected)
    | st.builds(SnapshotStep, _snapshots)
    | st.builds(ReadStep, _selections, st.sampled_from(_LIMITS))
    | st.builds(SearchStep, _searches, st.sampled_from(_LIMITS))
    | st.builds(ClockStep, st.integers(0, 5)),
    max_size=25,
)
"""Histories for `play`."""


class Player:
    """Goes through a history on one store.

    Args:
        store: empty, and opened with the clock.
        clock: set by steps of the history.
    """

    def __init__(self, store: EventStore, clock: SteadyClock) -> None:
        self._adapter: Final = store.adapter
        self._clock: Final = clock
        self._appends: list[Append] = []

    async def play(self, steps: Sequence[Step]) -> list[object]:
        """The result of each step, and at the end the whole log and its chain."""
        results = [await self._outcome(step) for step in steps]
        log = await self._adapter.read(Selection(), 1_000)
        return [*results, log, await self._adapter.chain_head()]

    async def _outcome(self, step: Step) -> object:
        try:
            return await self._do(step)
        except HeadwaterError as error:
            return _noted(error)

    async def _do(self, step: Step) -> object:
        adapter = self._adapter
        match step:
            case BurstStep(appends):
                return await self._burst(appends, await adapter.head())
            case LinkStep(stream, positions, expected):
                return await adapter.link(stream, positions, expected)
            case TruncateStep(stream, before, expected):
                return await adapter.truncate(stream, before, expected)
            case TombstoneStep(stream, expected):
                return await adapter.tombstone(stream, expected)
            case SnapshotStep(snapshot):
                return await self._snapshot(snapshot)
            case ReadStep(selection, limit):
                return await adapter.read(selection, limit)
            case SearchStep(search, limit):
                return await adapter.streams(search, limit), await adapter.stream_info(search.after)
            case ClockStep(seconds):
                self._clock.seconds = seconds
                return None

    async def _snapshot(self, snapshot: Snapshot) -> Snapshot | None:
        if snapshot.data:
            await self._adapter.save_snapshot(snapshot)
        else:
            await self._adapter.delete_snapshots(snapshot.stream, snapshot.key)
        return await self._adapter.load_snapshot(snapshot.stream, snapshot.key)

    async def _burst(self, steps: Sequence[AppendStep], head: int) -> list[object]:
        appends = [append for step in steps for append in self._submit(step, head)]
        found = await asyncio.gather(*(append.answer for append in appends), return_exceptions=True)
        return [_noted(one) if isinstance(one, BaseException) else one for one in found]

    def _submit(self, step: AppendStep, head: int) -> list[Append]:
        appends = []
        for _ in range(1 + step.again):
            append = self._append(step, head)
            self._adapter.submit(append)
            self._appends.append(append)
            appends.append(append)
        return appends

    def _append(self, step: AppendStep, head: int) -> Append:
        parts = [
            AppendPart(stream, expected, [_encoded(event) for event in events])
            for stream, expected, events in step.parts
        ]
        condition = None if step.query is None else AppendCondition(step.query, max(0, head - step.lag))
        follows = self._appends[-step.follows] if 0 < step.follows <= len(self._appends) else None
        return Append(
            parts,
            Context(metadata=b'{"n":1}') if step.lag else Context(bytes(16), None, None),
            condition=condition,
            follows=follows,
            idempotent=step.idempotent,
        )


def _encoded(event: EventStep) -> NewEvent:
    data = msgspec.json.encode({"amount": event.amount})
    return NewEvent(event.type, event.schema, data, event.id.to_bytes(16), event.tags)


def _noted(error: BaseException) -> tuple[str, dict[str, object]]:
    """An error as the comparison sees it: its class, and what a program may want to know of it."""
    return type(error).__name__, {name: value for name, value in vars(error).items() if not name.startswith("_")}
