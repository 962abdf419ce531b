"""The values of a dict at one moment, in any thread."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

Value = TypeVar("Value")


def snapshot(values: Iterable[Value]) -> list[Value]:
    """All values of a dict, or its keys, as they are at one moment.

    Copying them is one step of the interpreter, but for one gap: between the making of an iterator and its first
    value the garbage collector may run, and with it another thread. If that one inserted or removed something, we
    begin anew.
    """
    while True:
        try:
            return list(values)
        except RuntimeError:
            continue
