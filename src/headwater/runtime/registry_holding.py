"""What one process has registered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from headwater.runtime.process import Process
from headwater.runtime.registry_entry import Entry

Key = TypeVar("Key")
Value = TypeVar("Value")


class Holding(Generic[Key, Value]):
    """The entries of one process in one registry. It is one of the process's cleanups.

    Args:
        process: whose.
        release: takes a holding out of the registry; called when the process ends.
    """

    __slots__ = ("_by_key", "_release", "process")

    def __init__(self, process: Process, release: Callable[[Holding[Key, Value]], None]) -> None:
        self.process = process
        self._by_key: dict[Key, list[Entry[Key, Value]]] = {}
        self._release = release
        if process.cleanups is None:
            process.cleanups = [self]
        else:
            process.cleanups.append(self)

    def __call__(self) -> None:
        """The process ends."""
        self._release(self)

    def __bool__(self) -> bool:
        return bool(self._by_key)

    def __iter__(self) -> Iterator[Entry[Key, Value]]:
        return (entry for entries in self._by_key.values() for entry in entries)

    def of_key(self, key: Key) -> list[Entry[Key, Value]]:
        """Those of one key, in the order of their registration."""
        return list(self._by_key.get(key, ()))

    def add(self, entry: Entry[Key, Value]) -> None:
        """Note one more."""
        self._by_key.setdefault(entry.key, []).append(entry)

    def remove(self, entry: Entry[Key, Value]) -> None:
        """Note that one is gone."""
        entries = self._by_key[entry.key]
        entries.remove(entry)
        if not entries:
            del self._by_key[entry.key]

    def dissolve(self) -> None:
        """The process has nothing left here: there is nothing to do at its end."""
        if self.process.cleanups is not None:
            self.process.cleanups.remove(self)
