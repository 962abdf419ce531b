"""The dead letters of one process manager, in a stream of their own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Final

from headwater.cqrs.dead_letter import described, traced
from headwater.cqrs.failure import Failure
from headwater.cqrs.letter_box import LetterBox
from headwater.cqrs.manager_letter import (
    ManagerLetter,
    ManagerLetterDone,
    ManagerLetterDropped,
    ManagerLetterFailed,
    OpenManagerLetters,
    parked_failure,
)
from headwater.cqrs.outgoing import Outgoing
from headwater.errors import DeadLettersFull, LetterNotReplayable
from headwater.store.store import EventStore

MAX_PARKED: Final = 10_000
"""How many dead letters of one process manager may be open."""

Replay = Callable[[str, Outgoing], Coroutine[object, object, None]]
"""Lets an instance dispatch a command again, under its identifier, and follow how it ends."""

_log: Final = logging.getLogger("headwater.cqrs")


class ManagerLetterBox(LetterBox[ManagerLetter, OpenManagerLetters]):
    """The dead letters of one process manager: parked, listed, replayed, dropped. All of it is durable.

        box = application.dead_letters(Transfer)
        for letter in await box.list():
            print(letter.number, letter.instance, letter.error)

    A letter is open until it is replayed with success, or dropped. The same event of an instance, or the same command,
    has at most one open letter, however often it is parked.

    Args:
        store: where the log is.
        manager: the process manager's name.
        replay: dispatches a command again.
        limit: how many letters may be open.
    """

    def __init__(self, store: EventStore, manager: str, replay: Replay, limit: int = MAX_PARKED) -> None:
        super().__init__(store, manager, "process manager", OpenManagerLetters, limit)
        self._manager: Final = manager
        self._replay: Final = replay

    async def show(self, number: int) -> ManagerLetter:
        """The open letter of a number.

        Raises:
            LetterNotFound: there is none.
        """
        return await self._open(number, str(number))

    async def replay(self, number: int) -> ManagerLetter | None:
        """Dispatch the command of a letter again, under the same identifier, so that it has one effect.

        The instance has gone on without it. It takes up how the command ends now, as it would have done then: its
        method for that is run, `@accepted` or `@rejected`, and what this yields is dispatched. That happens once,
        however often the letter is replayed.

        Returns:
            None when the command has had its effect, or the instance has a method for its rejection: the letter is
            done. The letter as it is now when it has failed again, or was rejected and the instance has no method for
            that.

        Raises:
            LetterNotFound: there is no such letter.
            LetterNotReplayable: it is of an event: the instance has gone on behind it, and handles events in their
                order. Or a failure has stopped the instance: resume it first.
            StoreError: the outcome could not be written down.
        """
        async with self._replaying:
            instance, outgoing = await self._command(number)
            try:
                await self._replay(instance, outgoing)
            except LetterNotReplayable:
                raise
            except Exception as error:  # noqa: BLE001 - it has failed again, whatever was raised
                await self._write(number, ManagerLetterFailed(number, described(error), traced(error)))
                return await self._find(number)
            await self._write(number, ManagerLetterDone(number))
            return None

    async def drop(self, number: int, reason: str = "") -> None:
        """Decide that nothing comes of it. The log keeps the letter, and why it was dropped.

        Raises:
            LetterNotFound: there is none.
            StoreError: it could not be written down.
        """
        await self.show(number)
        await self._write(number, ManagerLetterDropped(number, reason))

    async def park(self, failure: Failure) -> None:
        """Write a failure down, unless its letter is open already. When it returns, it is durable.

        Raises:
            DeadLettersFull: there would be more than may be open. Nothing was written.
            StoreError: it could not be written down.
        """
        parked = parked_failure(failure)
        await self._park(lambda opened: [] if opened.holds(parked) else [parked], "its instances")

    async def _command(self, number: int) -> tuple[str, Outgoing]:
        letter = await self.show(number)
        outgoing = (await self._letters.followed()).parked[number].command
        if letter.instance is None or outgoing is None:
            raise LetterNotReplayable(
                f"dead letter {number} of process manager {self._manager!r} is of the event at {letter.position}, and "
                f"instance {letter.instance!r} has gone on behind it: dispatch the commands that were missed, then "
                "drop the letter"
            )
        return letter.instance, outgoing


class DurableParking:
    """Parks failures in the boxes of their process managers.

    Args:
        boxes: by the names of the process managers.
    """

    def __init__(self, boxes: Mapping[str, ManagerLetterBox]) -> None:
        self._boxes: Final = boxes

    async def park(self, failure: Failure) -> bool:
        """Write it down. False if too many letters are open.

        Raises:
            StoreError: it could not be written down.
        """
        try:
            await self._boxes[failure.manager].park(failure)
        except DeadLettersFull as full:
            _log.error("stopped: %s; %s", full, failure, exc_info=failure.error)
            return False
        _log.error("parked after %d attempts: %s", failure.attempts, failure, exc_info=failure.error)
        return True
