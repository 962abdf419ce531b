"""Which instances of a process manager have work, which are in memory, and who has to wait for a place. Pure."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final

from headwater.cqrs.manager_instance import ManagerInstance
from headwater.runtime.pid import Pid
from headwater.store.model import Recorded

Place = tuple[int, int]
"""The position of an event, and which part of the stored event it is."""


def place_of(recorded: Recorded) -> Place:
    """Where an event lies; of those that upcasters have made of one, which one it is."""
    return recorded.position, recorded.index


class LiveInstance:
    """An instance that is in memory, or is about to be.

    Attributes:
        pid: its process; None while it waits to be started again.
        outstanding: the events that it was given and hasn't done, in their order.
        failures: how often in a row its process has died.
        used: when it was last given something, in seconds.
    """

    __slots__ = ("failures", "outstanding", "pid", "used")

    def __init__(self) -> None:
        self.pid: Pid[ManagerInstance] | None = None
        self.outstanding: dict[Place, Recorded] = {}
        self.failures = 0
        self.used = 0.0


class LiveInstances:
    """Keeps the books of one process manager.

    Events of one instance come in their order. An event is done when all instances that it is for have done it. At most
    `limit` instances have a place; the events of the others wait until one is idle.

    Args:
        limit: how many.
    """

    def __init__(self, limit: int) -> None:
        self._limit: Final = limit
        self._live: Final[OrderedDict[str, LiveInstance]] = OrderedDict()
        self._waiting: Final[OrderedDict[str, deque[Recorded]]] = OrderedDict()
        self._left: Final[dict[Place, tuple[Recorded, int]]] = {}

    def __len__(self) -> int:
        return len(self._live)

    @property
    def outstanding(self) -> int:
        """How many events are being handled, or wait."""
        return len(self._left)

    def get(self, id: str) -> LiveInstance | None:  # noqa: A002 - the field's term
        """The instance, if it has a place."""
        return self._live.get(id)

    def expect(self, recorded: Recorded, instances: int) -> None:
        """An event has come that is for so many instances, at least 1."""
        self._left[place_of(recorded)] = (recorded, instances)

    def give(self, id: str, recorded: Recorded, now: float) -> LiveInstance | None:  # noqa: A002 - the field's term
        """Give an instance an event. None if it has to wait for a place."""
        if id in self._waiting:
            self._waiting[id].append(recorded)
            return None
        live = self.place(id, now)
        if live is None:
            self._waiting[id] = deque([recorded])
            return None
        live.outstanding[place_of(recorded)] = recorded
        return live

    def place(self, id: str, now: float) -> LiveInstance | None:  # noqa: A002 - the field's term
        """The instance, with a place. None if there is none left: make one idle instance leave, see `idle`."""
        live = self._live.get(id)
        if live is None:
            if len(self._live) >= self._limit:
                return None
            live = self._live[id] = LiveInstance()
        live.used = now
        self._live.move_to_end(id)
        return live

    def done(self, id: str, recorded: Recorded) -> Recorded | None:  # noqa: A002 - the field's term
        """An instance has done an event. Returns the event if it was the last one who had to."""
        live, place = self._live.get(id), place_of(recorded)
        if live is None or live.outstanding.pop(place, None) is None:
            return None
        live.failures = 0
        recorded, left = self._left.pop(place)
        if left > 1:
            self._left[place] = (recorded, left - 1)
            return None
        return recorded

    def first_waiting(self) -> str | None:
        """Who has waited longest for a place; None if nobody waits."""
        return next(iter(self._waiting), None)

    def admit(self, id: str) -> deque[Recorded]:  # noqa: A002 - the field's term
        """One waits no more: its events, to be given to it."""
        return self._waiting.pop(id)

    def idle(self, before: float, most: int | None = None) -> list[str]:
        """Those that have nothing to do and were last given something before a time, the longest unused first."""
        found: list[str] = []
        for id_, live in self._live.items():
            if live.used > before or (most is not None and len(found) >= most):
                break
            if not live.outstanding:
                found.append(id_)
        return found

    def forget(self, id: str) -> LiveInstance | None:  # noqa: A002 - the field's term
        """An instance has left."""
        return self._live.pop(id, None)
