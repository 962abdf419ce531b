"""A box of dead letters, whoever has written them: listed, found, closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, Protocol, TypeVar

from headwater.cqrs.letter_stream import Followed, LetterStream
from headwater.errors import DeadLettersFull, LetterNotFound
from headwater.sourcing.messages import Event
from headwater.store.store import EventStore


class OpenOnes(Followed, Protocol):
    """The letters of a stream that are neither done nor dropped.

    Attributes:
        letters: by what they are known by, in the order in which they were parked.
    """

    letters: dict[int, Any]


LetterT = TypeVar("LetterT")
OpenT = TypeVar("OpenT", bound=OpenOnes)


class LetterBox(Generic[LetterT, OpenT]):
    """Dead letters in a stream of their own; the base of what applications use.

    Args:
        store: where the log is.
        name: the name of the event handler, or of the process manager.
        kind: which of the two it is, for people.
        empty: makes what nothing was followed by yet.
        limit: how many letters may be open.
    """

    def __init__(self, store: EventStore, name: str, kind: str, empty: Callable[[], OpenT], limit: int) -> None:
        self._letters: Final = LetterStream(store, name, empty)
        self._owner: Final = f"{kind} {name!r}"
        self._limit: Final = limit
        self._replaying: Final = asyncio.Lock()

    async def list(self) -> list[LetterT]:
        """The open letters, in the order in which they were parked.

        Raises:
            StoreClosed, StorageFailed: the log could not be read.
        """
        return list((await self._letters.followed()).letters.values())

    async def _find(self, key: int) -> LetterT | None:
        letter: LetterT | None = (await self._letters.followed()).letters.get(key)
        return letter

    async def _open(self, key: int, known_as: str) -> LetterT:
        letter = await self._find(key)
        if letter is None:
            raise LetterNotFound(f"{self._owner} has no open dead letter {known_as}")
        return letter

    async def _park(self, decide: Callable[[OpenT], Sequence[Event]], then: str) -> None:
        """Append those letters that aren't open already, unless they would be too many."""

        def within_limit(opened: OpenT) -> Sequence[Event]:
            fresh = decide(opened)
            if fresh and len(opened.letters) + len(fresh) > self._limit:
                raise DeadLettersFull(
                    f"{self._owner} has {len(opened.letters):,} open dead letters, and {self._limit:,} are allowed: "
                    f"replay them or drop them, then resume {then}"
                )
            return fresh

        await self._letters.append(within_limit)

    async def _write(self, key: int, event: Event) -> None:
        """Append what has become of a letter, unless it isn't open any more."""
        await self._letters.append(lambda opened: [event] if key in opened.letters else [])
