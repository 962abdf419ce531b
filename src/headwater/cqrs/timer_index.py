"""Which timers are due next. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, Self
from uuid import UUID

import msgspec
from sortedcontainers import SortedList

from headwater.cqrs.timer_events import TimerCancelled, TimerEvent, TimerFired, TimerScheduled, TimerSettled

Key = tuple[int, bytes]
"""When a timer is due, in microseconds since 1970-01-01 UTC, and its id, to tell those of one moment apart."""

LIMIT: Final = 100_000
"""How many timers are kept in memory."""


class TimerPicture(msgspec.Struct, frozen=True, array_like=True):
    """What an index knows.

    Attributes:
        waiting: the keys of those that haven't fired, as far as the log tells.
        horizon: only the log knows of those whose keys are at or behind this one; None if there are none.
        unsettled: the ids of those that have fired and aren't settled.
    """

    waiting: list[Key]
    horizon: Key | None
    unsettled: list[bytes]


class TimerIndex:
    """The timers that are pending, the next ones first, and those that have fired and aren't settled.

    It holds all that are due before a horizon. When there are more than `limit`, the latest are dropped and the horizon
    comes nearer; when those before it are gone, `exhausted` says that the log has to be read again, from its beginning,
    into `further`.

    Args:
        limit: how many pending ones it may hold; at least 1.
        after: until it is `filled`, it takes only those whose key is at or behind this one; None for all.
        taken: those that were taken to be fired, and haven't, as far as the log tells.
    """

    def __init__(
        self, limit: int = LIMIT, after: Key | None = None, taken: Mapping[UUID, Key] = MappingProxyType({})
    ) -> None:
        self._limit: Final = limit
        self._after = after
        self._taken: Final = dict(taken)
        self._pending: Final = SortedList()
        self._keys: Final[dict[UUID, Key]] = {}
        self._horizon: Key | None = None
        self.unsettled: Final[dict[UUID, None]] = {}

    @classmethod
    def restored(cls, picture: TimerPicture, limit: int = LIMIT) -> Self:
        """One that knows what another knew. What that one had taken is pending again."""
        index = cls(limit)
        index._horizon = picture.horizon
        for key in picture.waiting:
            index._schedule(key, UUID(bytes=key[1]))
        index.unsettled.update((UUID(bytes=raw), None) for raw in picture.unsettled)
        return index

    def picture(self) -> TimerPicture:
        """What it knows."""
        waiting = [*self._taken.values(), *self._pending]
        return TimerPicture(waiting, self._horizon, [id_.bytes for id_ in self.unsettled])

    def __len__(self) -> int:
        return len(self._pending)

    def follow(self, event: TimerEvent) -> None:
        """Learn of an event, in the order of the log."""
        match event:
            case TimerScheduled(id=id_, at=at):
                self._schedule((at, id_.bytes), id_)
            case TimerCancelled(id=id_):
                self._forget(id_)
            case TimerFired(id=id_, manager=manager):
                self._forget(id_)
                if manager is None:
                    self.unsettled[id_] = None
            case TimerSettled(id=id_):
                self.unsettled.pop(id_, None)

    def pop_due(self, now: int) -> UUID | None:
        """Take the next one whose time has come; None if there is none."""
        if not self._pending or self._pending[0][0] > now:
            return None
        id_ = UUID(bytes=self._pending.pop(0)[1])
        self._taken[id_] = self._keys.pop(id_)
        return id_

    @property
    def next_due(self) -> int | None:
        """When the next one is due; None if none is pending here."""
        return int(self._pending[0][0]) if self._pending else None

    @property
    def exhausted(self) -> bool:
        """Whether only the log knows of more."""
        return not self._pending and self._horizon is not None

    def further(self) -> TimerIndex:
        """An index of those behind the horizon, empty, to be filled with all that this one was told of."""
        return TimerIndex(self._limit, self._horizon, self._taken)

    def filled(self) -> None:
        """It was told of all that those before it were told of. What comes now is new, however early it is due."""
        self._after = None

    def pending(self) -> Iterator[UUID]:
        """Those that are pending here, the next one first."""
        return (UUID(bytes=raw) for _, raw in tuple(self._pending))

    def _schedule(self, key: Key, id: UUID) -> None:  # noqa: A002 - the field's term
        if (self._after is not None and key < self._after) or (self._horizon is not None and key >= self._horizon):
            return
        self._pending.add(key)
        self._keys[id] = key
        if len(self._pending) > self._limit:
            self._horizon = self._pending.pop()
            del self._keys[UUID(bytes=self._horizon[1])]

    def _forget(self, id: UUID) -> None:  # noqa: A002 - the field's term
        self._taken.pop(id, None)
        key = self._keys.pop(id, None)
        if key is not None:
            self._pending.remove(key)
