"""The entries of a registry, by key. Pure. To find, add or remove one costs the same, however many there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeAlias, TypeVar

from headwater.errors import DefinitionError
from headwater.runtime.registry_entry import Entry

Key = TypeVar("Key")
Value = TypeVar("Value")

Bucket: TypeAlias = "Entry[Key, Value] | dict[Entry[Key, Value], None]"
"""The entries of one key. Most keys have one, and there may be millions of them: then it stands there itself."""


class RegistryIndex(Generic[Key, Value]):
    """Entries in partitions. A key's entries stay in the order of their registration, within each partition.

    A partition is a dictionary of its own, so that none gets so large that its growth is felt.

    Args:
        partitions: how many.
        by_process: whether an entry's partition follows from its process instead of its key.

    Raises:
        DefinitionError: fewer than one partition.
    """

    __slots__ = ("_by_process", "_count", "_partitions")

    def __init__(self, partitions: int, *, by_process: bool) -> None:
        if partitions < 1:
            raise DefinitionError(f"a registry has at least 1 partition, not {partitions}")
        self._partitions: list[dict[Key, Bucket[Key, Value]]] = [{} for _ in range(partitions)]
        self._by_process = by_process
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Entry[Key, Value]]:
        return (entry for partition in self._partitions for bucket in partition.values() for entry in _entries(bucket))

    def add(self, entry: Entry[Key, Value]) -> None:
        """Put the entry behind the others of its key."""
        partition = self._partition_of(entry)
        bucket = partition.setdefault(entry.key, entry)
        if isinstance(bucket, dict):
            bucket[entry] = None
        elif bucket is not entry:
            partition[entry.key] = {bucket: None, entry: None}
        self._count += 1

    def remove(self, entry: Entry[Key, Value]) -> None:
        """Take an entry out that is there."""
        partition = self._partition_of(entry)
        bucket = partition[entry.key]
        if isinstance(bucket, dict):
            del bucket[entry]
        if bucket is entry or not bucket:
            del partition[entry.key]
        self._count -= 1

    def find(self, key: Key) -> list[Entry[Key, Value]]:
        """The entries of a key."""
        return [entry for entries in self.buckets(key) for entry in entries]

    def buckets(self, key: Key) -> Iterable[list[Entry[Key, Value]]]:
        """The entries of a key, partition by partition, without empty ones."""
        partitions = self._partitions if self._by_process else (self._partitions[hash(key) % len(self._partitions)],)
        return [list(_entries(partition[key])) for partition in partitions if key in partition]

    def _partition_of(self, entry: Entry[Key, Value]) -> dict[Key, Bucket[Key, Value]]:
        chosen = entry.pid.process.number if self._by_process else hash(entry.key)
        return self._partitions[chosen % len(self._partitions)]


def _entries(bucket: Bucket[Key, Value]) -> Iterable[Entry[Key, Value]]:
    return bucket if isinstance(bucket, dict) else (bucket,)
