"""The keys of an ordered table in their order, sorted when somebody wants to know.

Rows live in a dict; a new key goes to its end and costs nothing here. The first keys of the dict, as many as are
sorted, are those that are; what lies behind them is sorted in when the order is next asked for. So a thousand rows
inserted one by one are sorted once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from threading import RLock
from typing import Final, TypeAlias

from headwater.errors import IncomparableKey, one_of
from headwater.tables.match import Span
from headwater.tables.sorted_keys import SortedKeys

_SAFE: Final = frozenset((int, str, bytes))
"""Types whose values can all be compared with each other."""

KeyKind: TypeAlias = "type | tuple[type, ...] | None"


class Order:
    """Which key comes before which. Sorting and reading hold the lock, so that any thread may read.

    Attributes:
        lock: held while keys are sorted, read or removed.
        kind: the type of all keys so far, or for tuples those of their items, if values of it can always be compared;
            None if it has to be tried with each key.
    """

    __slots__ = ("_keys", "kind", "lock")

    def __init__(self, lock: RLock) -> None:
        self.lock = lock
        self.kind: KeyKind = None
        self._keys = SortedKeys()

    # --- writing ---------------------------------------------------------------------------------------------

    def admit(self, rows: Mapping[object, object], key: object) -> None:
        """Make sure that a key has its place among those of the table.

        Raises:
            IncomparableKey: it hasn't.
        """
        kind = _kind_of(key)
        if not rows:
            self.kind = kind
        if kind is not None and kind == self.kind:
            return
        self._try(rows, [key])
        self.kind = None

    def admit_many(self, rows: Mapping[object, object], keys: Collection[object]) -> None:
        """Make sure that new keys have their places among those of the table and each other.

        Raises:
            IncomparableKey: one of them hasn't.
        """
        kinds = set(map(_kind_of, keys))
        if not rows and len(kinds) == 1:
            self.kind = next(iter(kinds))
        if kinds <= {self.kind} and self.kind is not None:
            return
        self._try(rows, keys)
        self.kind = None

    def _try(self, rows: Mapping[object, object], keys: Collection[object]) -> None:
        with self.lock:
            self.sort(rows)
            try:
                for key in sorted(keys):  # type: ignore[type-var]  # that is tried
                    self._keys.find(key)
                    _ = key < key  # type: ignore[operator]  # a first key has nothing else to be compared with
            except TypeError as error:
                wanted = one_of(list(map(repr, keys)))
                raise IncomparableKey(f"{wanted}: no place in the order of the table's keys: {error}") from error
        for key in keys:
            if key != key:
                raise IncomparableKey(f"{key!r} doesn't even equal itself; it has no place in an order")

    def sort(self, rows: Mapping[object, object]) -> None:
        """Sort in the keys that came since. Call it with the lock held."""
        while fresh := len(rows) - len(self._keys):
            try:
                keys = list(islice(reversed(rows), fresh))
            except RuntimeError:  # the writer's thread came in between
                continue
            if len(rows) - len(self._keys) == fresh:  # it didn't
                self._keys.update(keys)

    def remove(self, key: object) -> None:
        """A key has gone; before that, `sort` was called. Call it with the lock held."""
        self._keys.remove(key)

    def clear(self) -> None:
        """All keys have gone. Call it with the lock held."""
        self._keys.clear()

    # --- reading: with the lock held, after `sort` --------------------------------------------------------------

    def all(self) -> Iterable[object]:
        """All keys."""
        return self._keys

    def within(self, span: Span, limit: int | None = None, *, reverse: bool = False) -> list[object]:
        """The keys of a stretch, so many at most.

        Raises:
            TypeError: an end can't be compared with the keys.
        """
        return self._keys.within(span, limit, reverse=reverse)

    def count(self, span: Span) -> int:
        """How many keys lie in a stretch.

        Raises:
            TypeError: likewise.
        """
        return self._keys.count(span)


def _kind_of(key: object) -> KeyKind:
    kind = type(key)
    if kind in _SAFE:
        return kind
    if isinstance(key, tuple):
        kinds = tuple(map(type, key))
        return kinds if _SAFE.issuperset(kinds) else None
    return None
