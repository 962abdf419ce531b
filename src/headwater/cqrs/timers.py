"""The process that fires timers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from itertools import islice
from typing import Final, cast
from uuid import UUID

from headwater.cqrs.surroundings import Surroundings
from headwater.cqrs.timer_events import TIMER_EVENTS, TimerEvent
from headwater.cqrs.timer_index import LIMIT, TimerIndex
from headwater.cqrs.timer_shot import Shot
from headwater.cqrs.timer_snapshots import TimerSnapshots
from headwater.runtime.exits import Reason
from headwater.runtime.genserver import GenServer
from headwater.runtime.timer import MessageTimer
from headwater.store.model import Recorded
from headwater.store.query import EventQuery

TIMERS: Final = "timers"
"""The name of the process."""

MAX_FIRING: Final = 100
"""How many timers may be about to fire at a time; the others wait."""

LONGEST_WAIT: Final = 60.0
"""Seconds after which the clock is looked at again, since somebody may have set it."""

POLL: Final = 5.0
"""Seconds between two looks at a log that other nodes write to as well."""

SNAPSHOT_EVERY: Final = 1_000
"""After how many events of timers a snapshot is saved, at the earliest."""

_DUE: Final = "due"


class Timers(GenServer):
    """Knows which timers are pending, and fires each when its time has come; at once if that has passed.

    When the process starts, it reads the last snapshot, which holds what is pending, and the events of timers behind
    it, and no others. A snapshot is saved after 1,000 events, or as many as are pending if that is more: what a start
    reads depends on what is pending, not on how many timers there ever were. Those that have fired and whose command
    wasn't dispatched yet are gone on with.
    """

    shutdown = 10.0
    trap_exit = True  # so that what fires is waited for

    def init(self, surroundings: Surroundings, limit: int = LIMIT) -> None:
        """Begin to read the log.

        Args:
            surroundings: what it works with.
            limit: how many timers may be kept in memory.
        """
        self._surroundings = surroundings
        self._limit = limit
        self._index = TimerIndex(limit)
        self._query: EventQuery = surroundings.store.query(*TIMER_EVENTS)
        self._snapshots = TimerSnapshots(surroundings.store)
        self._position = 0
        self._unsaved = 0
        self._woken = False
        self._firing: dict[UUID, asyncio.Task[None]] = {}
        self._timer: MessageTimer | None = None
        self.then(Timers.begin)

    async def begin(self) -> None:
        """Read what there is, and go on with what has fired."""
        self._index, self._position = await self._snapshots.load(self._limit)
        await self._catch_up()
        for id_ in tuple(self._index.unsettled):
            self._fire(id_, claimed=True)
        await self.look()

    def wake(self) -> None:
        """Timers were scheduled or cancelled."""
        if not self._woken:
            self._woken = True
            self.pid.cast(Timers.look)

    async def look(self) -> None:
        """Read what is new, fire what is due, and set the alarm for the next one."""
        self._woken = False
        await self._catch_up()
        now = self._surroundings.now()
        while len(self._firing) < MAX_FIRING and (id_ := await self._next_due(now)) is not None:
            self._fire(id_, claimed=False)
        self._set_alarm(now)

    async def pending(self, limit: int) -> list[UUID]:
        """The next ones to fire, at most so many."""
        await self._catch_up()
        return list(islice(self._index.pending(), limit))

    async def handle_info(self, message: object) -> None:
        """The alarm has rung."""
        if message == _DUE:
            self._timer = None
            await self.look()

    async def terminate(self, reason: Reason) -> None:
        """Let what fires come to its end."""
        if self._firing:
            await asyncio.wait(self._firing.values(), timeout=self.shutdown / 2)
        for task in self._firing.values():
            task.cancel()

    # --- reading ---------------------------------------------------------------------------------------------

    async def _catch_up(self) -> None:
        recorded: Recorded | None = None
        async with self._surroundings.store.read_all(self._position, query=self._query) as events:
            async for recorded in events:
                self._index.follow(_event(recorded))
                self._position = recorded.position
                self._unsaved += 1
        if recorded is not None and self._unsaved >= max(SNAPSHOT_EVERY, len(self._index)):
            self._unsaved = 0
            await self._snapshots.save(self._index, recorded)

    async def _next_due(self, now: int) -> UUID | None:
        while self._index.exhausted:
            await self._read_further()
        return self._index.pop_due(now)

    async def _read_further(self) -> None:
        """Those in memory are gone: read the log for those behind them."""
        further = self._index.further()
        async with self._surroundings.store.read_all(0, before=self._position + 1, query=self._query) as events:
            async for recorded in events:
                further.follow(_event(recorded))
        further.filled()
        self._index = further

    # --- firing ----------------------------------------------------------------------------------------------

    def _fire(self, id: UUID, *, claimed: bool) -> None:  # noqa: A002 - the field's term
        if id not in self._firing:
            shot = Shot(self._surroundings, id, claimed=claimed)
            task = self._firing[id] = asyncio.create_task(shot.run())
            task.add_done_callback(partial(self._fired, id))

    def _fired(self, id: UUID, task: asyncio.Task[None]) -> None:  # noqa: A002 - the field's term
        full = len(self._firing) >= MAX_FIRING
        self._firing.pop(id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.pid.cast(Timers.broken, error)
        elif full:
            self.wake()

    def broken(self, error: BaseException) -> None:
        """A timer could not be fired for a reason that nobody knows: end, and begin anew from the log."""
        raise error

    def _set_alarm(self, now: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waits = [*self._waits(now)]
        if waits:
            self._timer = self.send_after(min(waits), _DUE)

    def _waits(self, now: int) -> Iterable[float]:
        due = self._index.next_due
        if due is not None and len(self._firing) < MAX_FIRING:
            yield min(LONGEST_WAIT, max(0.0, (due - now) / 1_000_000))
        if self._surroundings.store.adapter.capabilities.many_writers:
            yield POLL


def _event(recorded: Recorded) -> TimerEvent:
    return cast("TimerEvent", recorded.event)  # the query asks for no others
