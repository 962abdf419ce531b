"""The events that have the ids of a group's idempotent appends: in the log, and in the transaction itself. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from headwater.errors import DuplicateEvent
from headwater.store.adapter import Append
from headwater.store.model import Appended, NewEvent, StoredEvent
from headwater.store.repetition import Repetition, first_result


class Repetitions:
    """What is needed to tell an append that comes again from one that is new.

    Args:
        found: the events of the log that have one of the ids.
    """

    __slots__ = ("_by_id",)

    def __init__(self, found: Iterable[Repetition]) -> None:
        self._by_id = {repetition.event.id_bytes: repetition for repetition in found}

    def first_result(self, append: Append) -> Appended | DuplicateEvent | None:
        """What the append was answered the first time; None if it is new."""
        return first_result(append, (self._by_id.get(event.id) for event in events_of(append)))

    def add(self, append: Append, done: Sequence[Appended], recorded_at: int) -> None:
        """The append was added to the transaction, and may come again in it."""
        remaining = append.count
        for part, appended in zip(append.parts, done, strict=True):
            for index, event in enumerate(part.events, start=1 - len(part.events)):
                begins, remaining = remaining == append.count, remaining - 1
                stored = _stored(event, appended, index, recorded_at, remaining)
                self._by_id.setdefault(event.id, Repetition(stored, begins))


def events_of(append: Append) -> Iterator[NewEvent]:
    """The events of all parts."""
    for part in append.parts:
        yield from part.events


def _stored(event: NewEvent, appended: Appended, index: int, recorded_at: int, remaining: int) -> StoredEvent:
    return StoredEvent(
        position=appended.position + index,
        stream=appended.stream,
        version=appended.version + index,
        type=event.type,
        schema=event.schema,
        data=event.data.decode(),
        id_bytes=event.id,
        microseconds=recorded_at,
        causation_bytes=None,
        correlation_bytes=None,
        metadata_json=None,
        tags=tuple(sorted(event.tags)),
        remaining=remaining,
    )
