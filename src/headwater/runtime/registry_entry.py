"""What stands in a registry, and what its listeners are told."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from headwater.runtime.pid import Pid

Key_co = TypeVar("Key_co", covariant=True)
Value_co = TypeVar("Value_co", covariant=True)


class Entry(msgspec.Struct, Generic[Key_co, Value_co], frozen=True, eq=False):
    """One registration. Entries are distinct, also if all their parts are equal.

    Attributes:
        key: under which key.
        pid: of which process.
        value: what that process attached to it.
    """

    key: Key_co
    pid: Pid[object]
    value: Value_co


class Registered(msgspec.Struct, Generic[Key_co, Value_co], frozen=True):
    """A process registered. Sent to a registry's listeners.

    Attributes:
        registry: the registry's name.
        key: under which key.
        pid: which process.
        value: what it attached.
    """

    registry: str
    key: Key_co
    pid: Pid[object]
    value: Value_co


class Unregistered(msgspec.Struct, Generic[Key_co], frozen=True):
    """A process unregistered, or ended. Sent to a registry's listeners.

    Attributes:
        registry: the registry's name.
        key: under which key.
        pid: which process.
    """

    registry: str
    key: Key_co
    pid: Pid[object]
