"""The dead letters of one handler, in a stream of their own."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Final

from headwater.cqrs.dead_letter import (
    Letter,
    LetterDone,
    LetterDropped,
    LetterFailed,
    LetterParked,
    OpenLetters,
    described,
    traced,
)
from headwater.cqrs.letter_box import LetterBox
from headwater.errors import EventNotFound
from headwater.store.model import Recorded
from headwater.store.store import EventStore

HandleOnce = Callable[[Recorded], Coroutine[object, object, None]]
"""Gives an event to the handler, once."""


class DeadLetterBox(LetterBox[Letter, OpenLetters]):
    """The dead letters of one handler: parked, listed, replayed, dropped. All of it is durable, and lies in the log.

        box = application.dead_letters(Mailer)
        for letter in await box.list():
            print(letter.position, letter.error)
            await box.replay(letter.position)

    A letter is open until it is replayed with success, or dropped. An event has at most one open letter, however often
    it is parked; if it fails again after that, such as behind a reset, it gets another one.

    Args:
        store: where the log is.
        handler: the handler's name.
        handle: gives an event to the handler again.
        limit: how many letters may be open.
    """

    def __init__(self, store: EventStore, handler: str, handle: HandleOnce, limit: int) -> None:
        super().__init__(store, handler, "handler", OpenLetters, limit)
        self.stream: Final = self._letters.name
        self._store: Final = store
        self._handle: Final = handle

    async def count(self) -> int:
        """How many are open."""
        return len((await self._letters.followed()).letters)

    async def show(self, position: int) -> Letter:
        """The open letter of the event at a position.

        Raises:
            LetterNotFound: there is none.
        """
        return await self._open(position, f"of position {position}")

    async def events(self, position: int) -> Sequence[Recorded]:
        """The event of an open letter, as it is read today: one, or as many as upcasters make of it.

        Raises:
            LetterNotFound: there is no such letter.
            EventNotFound: the event was deleted from its stream.
            UnknownType, Undecodable: it can't be decoded.
        """
        await self.show(position)
        page = await self._store.page_all(position - 1, 1)
        if not page or page[0].position != position:
            raise EventNotFound(f"the event at position {position} can't be read any more: drop its dead letter")
        return self._store.unfold(page[0])

    async def replay(self, position: int) -> Letter | None:
        """Give the event to the handler again, once; `on_error` isn't asked. One is replayed at a time.

        If the program dies between the handler's return and the end of the replay, the letter stays open. Where
        upcasters make several of the event, the handler gets all of them.

        Returns:
            None when the handler has returned: the letter is done. The letter as it is now when it has raised again.

        Raises:
            LetterNotFound, EventNotFound, UnknownType, Undecodable: see `events`.
            StoreError: the outcome could not be written down.
        """
        async with self._replaying:
            parts = await self.events(position)
            try:
                for recorded in parts:
                    await self._handle(recorded)
            except Exception as error:  # noqa: BLE001 - it has failed again, whatever the application raised
                await self._write(position, LetterFailed(position, described(error), traced(error)))
                return await self._find(position)
            await self._write(position, LetterDone(position))
            return None

    async def drop(self, position: int, reason: str = "") -> None:
        """Decide that the event won't be handled. The log keeps the letter, and why it was dropped.

        Raises:
            LetterNotFound: there is none.
            StoreError: it could not be written down.
        """
        await self.show(position)
        await self._write(position, LetterDropped(position, reason))

    async def park(self, letters: Sequence[LetterParked]) -> None:
        """Write letters down, unless they are open already. When it returns, it is durable.

        Raises:
            DeadLettersFull: there would be more than may be open. Nothing was written.
            StoreError: they could not be written down.
        """
        await self._park(lambda opened: [one for one in letters if one.position not in opened.letters], "it")
