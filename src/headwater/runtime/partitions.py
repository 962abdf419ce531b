"""Which partition a key belongs to."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Generic, TypeVar

from headwater.errors import NameUnknown
from headwater.runtime.pid import Pid
from headwater.runtime.slot import Slot

ServerT = TypeVar("ServerT")


def partition_of(key: object, count: int) -> int:
    """The number of the partition of a key, from 0 to `count - 1`: the same in every run and on every machine.

    Args:
        key: an integer belongs to `abs(key) % count`; text, bytes and anything whose `repr` tells its value are spread
            evenly.
        count: how many partitions there are; at least 1.

    Raises:
        TypeError: the key's `repr` tells its address, not its value, so that it would belong elsewhere in each run.
    """
    if isinstance(key, int):
        return abs(key) % count
    return zlib.crc32(_form(key)) % count


def _form(key: object) -> bytes:
    if isinstance(key, str):
        return key.encode()
    if isinstance(key, bytes):
        return key
    if type(key).__repr__ is object.__repr__:
        raise TypeError(f"a {type(key).__qualname__} can't be a key: it has no repr of its own, which tells its value")
    return repr(key).encode()


class Partitions(Generic[ServerT]):
    """The way to a `PartitionSupervisor`'s processes. It costs no message, and follows restarts and `resize`.

    Made by `PartitionSupervisor.routes`. The first of the slots are in use.
    """

    __slots__ = ("_slots", "count")

    def __init__(self, slots: Sequence[Slot]) -> None:
        self._slots = slots
        self.count = len(slots)

    def via(self, key: object) -> Pid[ServerT]:
        """The process that the key belongs to now. Ask each time: it is another after a restart or a `resize`.

        Raises:
            NameUnknown: no process stands there now, because it is about to be restarted.
            TypeError: the key has no stable form; see `partition_of`.
        """
        number = partition_of(key, self.count)
        process = self._slots[number].process
        if process is None:
            raise NameUnknown(f"partition {number} of {self.count}, of key {key!r}, does not run now")
        return Pid(process)

    def __len__(self) -> int:
        return self.count
