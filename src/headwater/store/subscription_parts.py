"""Events that upcasters have made several of, or none, on their way to a consumer and back. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from headwater.errors import AlreadyAcknowledged
from headwater.store.model import Recorded, StoredEvent


class PartialAcknowledgements:
    """A stored event is done when all of its parts are.

    What is remembered is bounded by what a consumer may have unacknowledged.
    """

    __slots__ = ("_done",)

    def __init__(self) -> None:
        self._done: Final[dict[int, set[int]]] = {}

    def complete(self, events: Iterable[Recorded | StoredEvent]) -> list[StoredEvent]:
        """The stored events that are done with these parts. Changes nothing; see `note`.

        Raises:
            AlreadyAcknowledged: one of the parts was done before, or stands twice among them.
        """
        done: list[StoredEvent] = []
        found: dict[int, set[int]] = {}
        for event in events:
            stored, part = (event.stored, event.part) if isinstance(event, Recorded) else (event, None)
            position = stored.position
            if part is None:
                done.append(stored)
                continue
            parts = found.setdefault(position, set())
            if part.index in parts or part.index in self._done.get(position, ()):
                raise AlreadyAcknowledged(f"part {part.index} of the event at position {position} was acknowledged")
            parts.add(part.index)
            if len(parts) + len(self._done.get(position, ())) == part.count:
                done.append(stored)
        return done

    def note(self, events: Iterable[Recorded | StoredEvent], done: Iterable[StoredEvent]) -> None:
        """These parts are done, and so are these stored events."""
        for event in events:
            if isinstance(event, Recorded) and event.part is not None:
                self._done.setdefault(event.stored.position, set()).add(event.part.index)
        for stored in done:
            self._done.pop(stored.position, None)


def is_whole(event: Recorded | StoredEvent) -> bool:
    """Whether its stored event is done when it is, and everything before it."""
    return not isinstance(event, Recorded) or event.part is None or event.part.last


def left_out(stored: Sequence[StoredEvent], unfolded: Iterable[Recorded | StoredEvent]) -> list[StoredEvent]:
    """The stored events of which nothing is left to give: nobody else could acknowledge them."""
    given = {(event.stored if isinstance(event, Recorded) else event).position for event in unfolded}
    return [event for event in stored if event.position not in given]


class Counted:
    """Stored events as they are taken out of a queue, and how many were.

    Args:
        queue: the queue; it stays as it is.
        most: how many may be taken.
    """

    __slots__ = ("_left", "_queue", "taken")

    def __init__(self, queue: deque[StoredEvent], most: int) -> None:
        self._queue: Final = iter(queue)
        self._left = most
        self.taken: Final[list[StoredEvent]] = []

    def __iter__(self) -> Counted:
        return self

    def __next__(self) -> StoredEvent:
        if not self._left:
            raise StopIteration
        stored = next(self._queue)
        self._left -= 1
        self.taken.append(stored)
        return stored
