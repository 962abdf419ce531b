"""One append to the memory backend: checked first, then carried out."""

from __future__ import annotations

from collections.abc import Iterator

from headwater.errors import ConditionFailed, DuplicateEvent, PipelineBroken, StoreError
from headwater.store.adapter import Append
from headwater.store.expectation import unmet
from headwater.store.memory_log import MemoryLog, MemoryStream
from headwater.store.model import Appended, NewEvent, StoredEvent
from headwater.store.repetition import Repetition, duplicate, first_result
from headwater.types import Position, Version


class MemoryAppend:
    """An append on its way into a log.

    Args:
        log: where to.
        append: what.
    """

    def __init__(self, log: MemoryLog, append: Append) -> None:
        self._log = log
        self._append = append

    def run(self, now: int) -> Appended | StoreError:
        """Append everything, or say why not.

        Args:
            now: microseconds since 1970-01-01 UTC.
        """
        append = self._append
        if append.follows is not None and append.follows.failed:
            return PipelineBroken(f"an append to {append.stream!r} failed, and this one was decided upon it")
        if append.idempotent:
            repeated = first_result(append, self._repetitions())
            if repeated is not None:
                return repeated
        return self._refusal() or self._add(now)

    def _repetitions(self) -> Iterator[Repetition | None]:
        for event in self._events():
            position = self._log.position_by_id.get(event.id)
            yield None if position is None else self._repetition(position)

    def _repetition(self, position: int) -> Repetition:
        begins = position == 1 or self._log.events[position - 2].remaining == 0
        return Repetition(self._log.events[position - 1], begins)

    def _events(self) -> Iterator[NewEvent]:
        for part in self._append.parts:
            yield from part.events

    def _refusal(self) -> StoreError | None:
        for part in self._append.parts:
            stream = self._log.streams.get(part.stream) or MemoryStream(part.stream)
            error = unmet(part.stream, part.expected, stream.version, stream.first, tombstoned=stream.tombstoned)
            if error is not None:
                return error
        return self._unmet_condition() or self._duplicate()

    def _unmet_condition(self) -> ConditionFailed | None:
        condition = self._append.condition
        if condition is None:
            return None
        position = self._log.first_match(condition.query, condition.after)
        return None if position is None else ConditionFailed(position, condition.after)

    def _duplicate(self) -> DuplicateEvent | None:
        seen: set[bytes] = set()
        for event in self._events():
            stored = event.id in self._log.position_by_id
            if stored or event.id in seen:
                return duplicate(self._append, event.id, stored=stored)
            seen.add(event.id)
        return None

    def _add(self, now: int) -> Appended:
        log, append = self._log, self._append
        wanted = now if append.recorded_at is None else append.recorded_at
        recorded_at = max(wanted, log.events[-1].microseconds if log.events else 0)
        left = append.count
        parts = []
        for part in append.parts:
            for event in part.events:
                left -= 1
                log.add(self._stored(event, part.stream, recorded_at, left))
            version = log.streams[part.stream].version
            parts.append(Appended(part.stream, Version(version), Position(len(log.events)), len(part.events)))
        return Appended.together(parts)

    def _stored(self, event: NewEvent, stream: str, recorded_at: int, remaining: int) -> StoredEvent:
        context = self._append.context
        metadata = None if context.metadata is None else context.metadata.decode()
        known = self._log.streams.get(stream)
        return StoredEvent(
            position=len(self._log.events) + 1,
            stream=stream,
            version=1 if known is None else known.version + 1,
            type=event.type,
            schema=event.schema,
            data=event.data.decode(),
            id_bytes=event.id,
            microseconds=recorded_at,
            causation_bytes=context.causation,
            correlation_bytes=context.correlation,
            metadata_json=metadata,
            tags=tuple(sorted(event.tags)),
            remaining=remaining,
        )
