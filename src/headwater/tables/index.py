"""Secondary indexes: which keys' rows have a certain value in a field. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from headwater.tables.shape import Field

Row = TypeVar("Row")


class Index(Generic[Row]):
    """Keys by the value of one field.

    Args:
        field: the field.
        read: gives its value in a row.
    """

    __slots__ = ("_keys", "_read", "field")

    def __init__(self, field: Field, read: Callable[[Row], object]) -> None:
        self.field = field
        self._read = read
        self._keys: dict[object, dict[object, int]] = {}

    def wrote(self, key: object, old: Row | None, new: Row | None) -> None:
        """Follow a write: `old` gave way to `new`; None for no row."""
        before = None if old is None else self._read(old)
        after = None if new is None else self._read(new)
        if old is not None and new is not None and before == after:
            return
        if old is not None:
            self._remove(before, key)
        if new is not None:
            keys = self._keys.setdefault(after, {})
            keys[key] = keys.get(key, 0) + 1

    def _remove(self, value: object, key: object) -> None:
        keys = self._keys[value]
        keys[key] -= 1
        if not keys[key]:
            del keys[key]
        if not keys:
            del self._keys[value]

    def clear(self) -> None:
        """No row is left."""
        self._keys.clear()

    def find(self, values: Iterable[object]) -> list[object]:
        """The keys whose rows have one of the values; each once."""
        found: dict[object, None] = {}
        for value in values:
            found.update(dict.fromkeys(self._keys.get(value, ())))
        return list(found)

    def count(self, values: Iterable[object]) -> int:
        """How many keys `find` gives, or a few more where one has rows of several values."""
        return sum(len(self._keys.get(value, ())) for value in dict.fromkeys(values))
