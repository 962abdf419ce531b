"""A stream of dead letters: followed to its end, and appended to, whoever else does the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Generic, Protocol, TypeVar

from headwater.errors import ConflictNotResolved, WrongExpectedVersion
from headwater.sourcing.messages import Event
from headwater.store.model import Recorded
from headwater.store.store import EventStore

CONFLICTS: Final = 100
"""How often something is written, when others write to the same stream, before the conflict is reported."""


class Followed(Protocol):
    """What a stream of dead letters tells.

    Attributes:
        version: the version of the stream up to which it was followed.
    """

    version: int

    def follow(self, recorded: Recorded) -> None:
        """Follow one event of the stream."""


FollowedT = TypeVar("FollowedT", bound=Followed)


class LetterStream(Generic[FollowedT]):
    """Follows a stream, and appends to it what is right at its end.

    Args:
        store: where the log is.
        owner: whose dead letters they are: the name of an event handler, or of a process manager.
        empty: makes what nothing was followed by yet.
    """

    def __init__(self, store: EventStore, owner: str, empty: Callable[[], FollowedT]) -> None:
        self.name: Final = f"dead-letters-{owner}"
        self._store: Final = store
        self._empty: Final = empty
        self._state = empty()
        self._following: Final = asyncio.Lock()

    async def followed(self) -> FollowedT:
        """What the stream tells, up to now.

        Raises:
            StoreClosed, StorageFailed: the log could not be read.
        """
        async with self._following:
            state = self._state  # a conflict may put an empty one in its place meanwhile
            async for recorded in self._store.read_stream(self.name, after=state.version):
                state.follow(recorded)
            return state

    async def append(self, decide: Callable[[FollowedT], Sequence[Event]]) -> None:
        """Append what is decided on what the stream tells. When others have written meanwhile, it is decided anew.

        Args:
            decide: gives the events; none if there is nothing to do. What it raises comes out.

        Raises:
            ConflictNotResolved: others have written to the stream each of 100 times. Nothing was written.
            StoreError: it could not be written down.
        """
        for _ in range(CONFLICTS):
            state = await self.followed()
            version = state.version
            events = decide(state)
            if not events or await self._appended(events, version):
                return
        raise ConflictNotResolved(f"{self.name!r} changed {CONFLICTS} times before a dead letter could be written")

    async def _appended(self, events: Sequence[Event], version: int) -> bool:
        """Append; False if somebody else has changed the stream. It is read anew then: it may have been truncated."""
        try:
            await self._store.append(self.name, events, expected=version)
        except WrongExpectedVersion:
            self._state = self._empty()
            return False
        return True
