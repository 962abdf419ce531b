"""Which partition of a view follows which event. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final
from zlib import crc32

from headwater.cqrs.sql_batch import Batch
from headwater.store.model import Recorded, StoredEvent


def partition_of(key: str, partitions: int) -> int:
    """The partition of a key: the same in every process, on every machine, in every version."""
    return crc32(key.encode()) % partitions


class Partitioning:
    """Splits stretches of the log.

    Args:
        count: how many partitions there are.
        key: the key of an event.
    """

    def __init__(self, count: int, key: Callable[[Recorded], str]) -> None:
        self._count: Final = count
        self._key: Final = key

    def split(self, page: Sequence[StoredEvent], events: Iterable[Recorded], positions: Sequence[int]) -> list[Batch]:
        """A batch for each partition that isn't there yet, also where it has no events in this stretch.

        Args:
            page: the stretch; not empty.
            events: the events in it that the view follows.
            positions: how far each partition has come.

        Raises:
            Exception: what the key raises.
        """
        upto, last_id = page[-1].position, page[-1].id_bytes
        parts = self._parts(events)
        return [
            Batch(partition, after, upto, last_id, [one for one in part if one.stored.position > after])
            for partition, (after, part) in enumerate(zip(positions, parts, strict=True))
            if after < upto
        ]

    def _parts(self, events: Iterable[Recorded]) -> list[list[Recorded]]:
        if self._count == 1:
            return [list(events)]
        parts: list[list[Recorded]] = [[] for _ in range(self._count)]
        for recorded in events:
            parts[partition_of(self._key(recorded), self._count)].append(recorded)
        return parts
