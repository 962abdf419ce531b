"""What happens when the time of one timer has come."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Final
from uuid import UUID

from headwater.cqrs.failure import HOPELESS
from headwater.cqrs.pause import pause
from headwater.cqrs.surroundings import Surroundings
from headwater.cqrs.timer_events import TimerFired, TimerScheduled, TimerSettled, timer_stream
from headwater.errors import (
    DuplicateEvent,
    HeadwaterError,
    InternalError,
    Rejected,
    StoreClosed,
    StoreError,
    WrongExpectedVersion,
)
from headwater.runtime.backoff import Backoff
from headwater.sourcing.event_ids import event_id
from headwater.store.model import Recorded

ATTEMPTS: Final = 10
"""How often a command that can't be dispatched is tried."""

TIMEOUT: Final = 30.0
"""Seconds that each try may take."""

_REJECTED: Final = "rejected"
_BACKOFF: Final = Backoff(0.1, 30.0)
_log: Final = logging.getLogger("headwater.cqrs")


async def scheduled_in(surroundings: Surroundings, id: UUID) -> Recorded | None:  # noqa: A002 - the field's term
    """The event with which a timer was scheduled; None if there is no such timer.

    Raises:
        StoreError, CodecError: it can't be read.
    """
    async with surroundings.store.read_stream(timer_stream(id), limit=1) as found:
        return await anext(aiter(found), None)


class Shot:
    """Fires one timer: writes down that it fires, so that it can't be cancelled any more, then dispatches its command.

    If the program ends in between, the next one that starts dispatches the command again, under the same identifier.

    Args:
        surroundings: what it works with.
        id: which timer.
        claimed: whether it is written down already.
    """

    def __init__(self, surroundings: Surroundings, id: UUID, *, claimed: bool) -> None:  # noqa: A002 - the field's term
        self._surroundings: Final = surroundings
        self._id: Final = id
        self._claimed = claimed

    async def run(self) -> None:
        """Do it, however often the storage fails meanwhile."""
        outages = 0
        while True:
            try:
                await self._run()
            except StoreClosed:
                return  # it goes on when the application starts the next time
            except StoreError as error:
                delay = _BACKOFF.delay(outages, self._surroundings.rng.random())
                _log.warning("timer %s fires in %.1f s: %s", self._id, delay, error)
                await pause(self._surroundings.clock, delay)
                outages += 1
            else:
                return

    async def _run(self) -> None:
        found = await scheduled_in(self._surroundings, self._id)
        if found is None or not isinstance(found.event, TimerScheduled):
            raise InternalError(f"timer {self._id} is not in the log")
        if not self._claimed and not await self._claim(found, found.event):
            return
        self._claimed = True
        if found.event.command is not None:
            await self._settle(await self._dispatch(found, found.event), found)

    async def _claim(self, found: Recorded, scheduled: TimerScheduled) -> bool:
        """Write down that it fires. False if it was cancelled, or fired elsewhere."""
        fired = TimerFired(self._id, scheduled.manager, scheduled.instance, scheduled.timer)
        try:
            await self._surroundings.store.append(
                found.stream, [fired], expected=1, causation=found.id, correlation=found.correlation
            )
        except WrongExpectedVersion:
            return False
        return True

    async def _dispatch(self, found: Recorded, scheduled: TimerScheduled) -> str | None:
        """Dispatch the command. Returns why it has no effect, or None."""
        for attempt in range(ATTEMPTS):
            try:
                await self._dispatch_once(found, scheduled)
            except Rejected as rejection:
                return f"{_REJECTED}: {rejection}"
            except HeadwaterError as error:
                if isinstance(error, HOPELESS) or attempt == ATTEMPTS - 1:
                    _log.error("the command of timer %s could not be dispatched: %s", self._id, error)
                    return f"{type(error).__name__}: {error}"
            else:
                return None
            await pause(self._surroundings.clock, _BACKOFF.delay(attempt, self._surroundings.rng.random()))
        return None

    async def _dispatch_once(self, found: Recorded, scheduled: TimerScheduled) -> None:
        if scheduled.command is None:
            return
        command = self._surroundings.commands.decode(scheduled.command)
        await self._surroundings.dispatch(
            command, id=self._id, correlation=found.correlation, metadata=found.metadata or None, timeout=TIMEOUT
        )

    async def _settle(self, error: str | None, found: Recorded) -> None:
        """Write down how it ended. A command that was rejected has no effect after that; see `InstanceLog.append`."""
        rejected = error is not None and error.startswith(_REJECTED)
        try:
            await self._note(error, found, [event_id(self._id.bytes, 0)] if rejected else None)
        except DuplicateEvent:  # another node has dispatched it as well, and there it had its effect
            await self._note(None, found, None)

    async def _note(self, error: str | None, found: Recorded, ids: list[UUID] | None) -> None:
        with suppress(WrongExpectedVersion):  # another node has done the same
            await self._surroundings.store.append(
                found.stream,
                [TimerSettled(self._id, error)],
                expected=2,
                ids=ids,
                causation=found.id,
                correlation=found.correlation,
            )
