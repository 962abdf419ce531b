"""The aggregates that have a process now: who they are, who comes, and who has to go."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import suppress
from itertools import islice
from typing import Final, NamedTuple

from headwater.cqrs.aggregate_process import AggregateProcess
from headwater.cqrs.foreign_appends import ForeignAppends
from headwater.cqrs.resident import Resident
from headwater.cqrs.snapshot_writer import SNAPSHOTS, SnapshotWriter
from headwater.errors import NameUnknown, ProcessError, StoreError
from headwater.runtime.exits import Reason, is_abnormal
from headwater.runtime.pid import Pid
from headwater.runtime.system import System
from headwater.sourcing.aggregate import Aggregate
from headwater.store.store import EventStore
from headwater.store.stream import Snapshot
from headwater.types import Version

MAX_LIVE: Final = 10_000
"""How many aggregates may have a process, unless the application says otherwise."""

_GRACE: Final = 1.0
"""Seconds that one stays at least when nobody wants it any more by the time that it has started."""

Key = tuple[type[Aggregate], str]


class _Live(NamedTuple):
    pid: Pid[AggregateProcess]
    resident: Resident


class _Line:
    """Those who wait for one process."""

    __slots__ = ("length", "turn")

    def __init__(self) -> None:
        self.length = 0
        self.turn = asyncio.Lock()  # first come, first served


class LiveAggregates:
    """Starts the processes of aggregates on demand, and lets those go that are idle.

    One goes when it has been idle for its lifespan; or when more than `limit` live, and of those that are idle it was
    used the longest time ago. A busy one never goes, so that more than `limit` live only while more than `limit` are
    busy or were just started.

    Who goes is taken out of the books at once, and told so behind all that it was sent before. So a command either
    comes before that, and is answered, or it finds nobody, and the aggregate is started anew as soon as the old
    process has ended. The successor of one that was killed waits until what that had submitted is in the log, or isn't.

    Args:
        system: where the processes live.
        store: where their streams are.
        limit: how many may live.

    Attributes:
        foreign: must be told of what others append to their streams. An aggregate that lives reads that before it
            goes on.
    """

    def __init__(self, system: System, store: EventStore, limit: int = MAX_LIVE) -> None:
        self._system = system
        self._store = store
        self._limit = limit
        self._live: OrderedDict[Key, _Live] = OrderedDict()
        self._starting: dict[Key, asyncio.Task[None]] = {}
        self._lines: dict[Key, _Line] = {}
        self._leaving: dict[Key, Pid[AggregateProcess]] = {}
        self._left_behind: dict[Key, asyncio.Future[bool]] = {}
        self.foreign = ForeignAppends(self._tell)

    def __len__(self) -> int:
        return len(self._live)

    def find(self, key: Key) -> Pid[AggregateProcess] | None:
        """The aggregate's process, if it has one and nobody waits for it. It counts as used."""
        live = self._live.get(key)
        if live is None or (self._lines and key in self._lines):
            return None
        self._live.move_to_end(key)
        return live.pid

    def _tell(self, stream: str, version: Version) -> bool:
        try:
            self._system.named(AggregateProcess, stream).cast(AggregateProcess.refresh, version)
        except ProcessError:
            return False
        return True

    async def start(self, key: Key) -> Pid[AggregateProcess]:
        """The aggregate's process; started, once, however many wait for it.

        Those who wait get it in the order in which they came. What is sent to it before the next `await` is sure to
        reach it.

        Raises:
            StartFailed: the aggregate can't be built from its stream.
        """
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line()
        line.length += 1
        try:
            async with line.turn:
                while key not in self._live:
                    await self._started(key)
                self._live.move_to_end(key)
                return self._live[key].pid
        finally:
            line.length -= 1
            if not line.length:
                del self._lines[key]

    async def _started(self, key: Key) -> None:
        starting = self._starting.get(key)
        if starting is None:
            starting = self._starting[key] = asyncio.create_task(self._spawn(key))
            starting.add_done_callback(lambda _: self._has_started(key))
        await asyncio.shield(starting)  # whoever waits may give up; others come behind it

    def _has_started(self, key: Key) -> None:
        starting = self._starting.pop(key)
        if not starting.cancelled():
            starting.exception()  # whoever waits is told; if all have given up, nobody has overlooked it

    async def _spawn(self, key: Key) -> None:
        leaving = self._leaving.get(key)
        if leaving is not None:
            await leaving.wait()
        if key in self._left_behind:
            await asyncio.wait([self._left_behind[key]])
        kind, identity = key
        resident = Resident(self._system.clock, self._make_room, lambda resident: self._let_go(key, resident))
        name = kind.stream_of(identity)
        pid = await self._system.start(
            AggregateProcess, self._store, kind, identity, resident, self._save_snapshot, self.foreign, name=name
        )
        self._live[key] = _Live(pid, resident)
        resident.expect(max(kind.lifespan.idle, _GRACE))
        pid.watch(lambda reason: self._forget(key, pid, reason))

    def _save_snapshot(self, snapshot: Snapshot) -> None:
        with suppress(NameUnknown):  # being restarted, it misses one: it is only a shortcut
            self._system.named(SnapshotWriter, SNAPSHOTS).cast(SnapshotWriter.save, snapshot)

    def _make_room(self) -> None:
        excess = len(self._live) - self._limit
        if excess > 0:
            idle = ((key, live.resident) for key, live in self._live.items() if not live.resident.busy)
            for key, resident in list(islice(idle, excess)):  # the oldest come first: few are looked at
                self._let_go(key, resident)

    def _let_go(self, key: Key, resident: Resident) -> None:
        live = self._live.get(key)
        if live is not None and live.resident is resident:
            del self._live[key]
            self._leaving[key] = live.pid
            live.pid.cast(AggregateProcess.passivate)

    def _forget(self, key: Key, pid: Pid[AggregateProcess], reason: Reason) -> None:
        if is_abnormal(reason):
            self._await_what_is_left(key)
        live = self._live.get(key)
        if live is not None and live.pid is pid:
            del self._live[key]
        if self._leaving.get(key) is pid:
            del self._leaving[key]

    def _await_what_is_left(self, key: Key) -> None:
        """It may have appends under way: a question behind them is answered when they are."""
        kind, identity = key
        with suppress(StoreError):  # closed, it takes no successor either
            left = self._left_behind[key] = self._store.stands_at(kind.stream_of(identity), 0)
            left.add_done_callback(lambda done: self._known(key, done))

    def _known(self, key: Key, left: asyncio.Future[bool]) -> None:
        if not left.cancelled():
            left.exception()  # the successor will meet it by itself
        if self._left_behind.get(key) is left:
            del self._left_behind[key]
