"""Whether an append is one that the log has already. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from uuid import UUID

import msgspec

from headwater.errors import DuplicateEvent
from headwater.store.adapter import Append, AppendPart
from headwater.store.model import Appended, NewEvent, StoredEvent
from headwater.types import Position, Version


class Repetition(msgspec.Struct, frozen=True):
    """The event of the log that has one of an append's ids.

    Attributes:
        event: the event.
        begins: whether it is the first one of its append.
    """

    event: StoredEvent
    begins: bool


def first_result(append: Append, found: Iterable[Repetition | None]) -> Appended | DuplicateEvent | None:
    """What an idempotent append was answered the first time; the error if its ids were used otherwise.

    Args:
        append: the append.
        found: for each of its events the one in the log with the same id.

    Returns:
        None if none of its ids is in the log.
    """
    events = [(part, event) for part in append.parts for event in part.events]
    repetitions = list(found)
    if not any(repetitions):
        return None
    position = 0
    for index, ((part, event), repetition) in enumerate(zip(events, repetitions, strict=True)):
        if repetition is None or not _same(part, event, repetition.event):
            return _used_otherwise(events, repetitions, index)
        place = (repetition.event.position - position, repetition.begins, repetition.event.remaining)
        if index and place[0] != 1:
            return _used_otherwise(events, repetitions, index)
        if place[1:] != (index == 0, len(events) - 1 - index):
            return _used_otherwise(events, repetitions, index)
        position = repetition.event.position
    return _result([repetition.event for repetition in repetitions if repetition is not None])


def duplicate(append: Append, id: bytes, *, stored: bool) -> DuplicateEvent:  # noqa: A002 - the field's term
    """What an append is answered that can't have this identifier for one of its events.

    Args:
        append: the append.
        id: the identifier.
        stored: whether the log holds it; else the append has it twice.
    """
    found = UUID(bytes=id)
    if stored:
        return DuplicateEvent(f"the log holds an event with the identifier {found}", id=found)
    return DuplicateEvent(f"two events of the append to {append.stream!r} have the identifier {found}", id=found)


def _result(events: Sequence[StoredEvent]) -> Appended:
    return Appended.together([_part(stream, list(group)) for stream, group in groupby(events, lambda one: one.stream)])


def _part(stream: str, events: Sequence[StoredEvent]) -> Appended:
    return Appended(stream, Version(events[-1].version), Position(events[-1].position), len(events))


def _same(part: AppendPart, event: NewEvent, stored: StoredEvent) -> bool:
    return (part.stream, event.type, event.schema, event.data.decode(), tuple(sorted(event.tags))) == (
        stored.stream,
        stored.type,
        stored.schema,
        stored.data,
        stored.tags,
    )


def _used_otherwise(
    events: Sequence[tuple[AppendPart, NewEvent]], found: Sequence[Repetition | None], index: int
) -> DuplicateEvent:
    """Names the event that is at fault, or the first one that the log has."""
    used = index if found[index] is not None else next(i for i, one in enumerate(found) if one is not None)
    id_ = UUID(bytes=events[used][1].id)
    return DuplicateEvent(
        f"the log holds an event with the identifier {id_}, and it is not the same append: ids, streams, types, data "
        "and tags of all its events must be the same, in the same order",
        id=id_,
    )
