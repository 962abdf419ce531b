"""Sorted keys, in chunks. Pure.

Chunks of up to a thousand or so keys, each a sorted list, lie in a list; a second list has the last key of each. A key
is found by two bisections, and added or removed by moving a part of one chunk: O(√n), which for a million keys takes
about two microseconds. The structure is that of Grant Jenks' sortedcontainers; what is read here most, a stretch
between two keys, is cut out of the chunks as it is, which that library can't do.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, Final, TypeAlias

from headwater.tables.match import Span

CHUNK: Final = 1_000
"""How many keys a chunk has, unless said otherwise."""

Place: TypeAlias = tuple[int, int]
"""Between which keys: the number of a chunk, and how many of its keys lie before."""


class SortedKeys:
    """Keys that can be compared with each other, each once. Whoever uses it sees to both.

    Args:
        chunk: how many keys a chunk has at first. One of more than twice as many is halved.
    """

    __slots__ = ("_chunk", "_chunks", "_lasts", "_length")

    def __init__(self, chunk: int = CHUNK) -> None:
        self._chunk = chunk
        self._chunks: list[list[Any]] = []
        self._lasts: list[Any] = []
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(self._chunks)

    # --- changing --------------------------------------------------------------------------------------------

    def update(self, keys: Sequence[Any]) -> None:
        """Add keys that aren't there."""
        if len(keys) * 4 < self._length:
            for key in keys:
                self._add(key)
        else:  # sorting what is sorted for the greater part is quick
            self._fill(sorted(chain(self, keys)))

    def remove(self, key: object) -> None:
        """Remove a key that is there."""
        number, before = self._below(key)
        chunk = self._chunks[number]
        del chunk[before]
        self._length -= 1
        if chunk:
            self._lasts[number] = chunk[-1]
        else:
            del self._chunks[number], self._lasts[number]

    def clear(self) -> None:
        """Remove all."""
        self._fill([])

    def _fill(self, keys: list[Any]) -> None:
        self._length = len(keys)
        self._chunks = [keys[start : start + self._chunk] for start in range(0, len(keys), self._chunk)]
        self._lasts = [chunk[-1] for chunk in self._chunks]

    def _add(self, key: Any) -> None:  # noqa: ANN401 - whatever has an order
        number = min(bisect_left(self._lasts, key), len(self._lasts) - 1)
        chunk = self._chunks[number]
        insort(chunk, key)
        self._length += 1
        if len(chunk) > 2 * self._chunk:
            halves = chunk[: self._chunk], chunk[self._chunk :]
            self._chunks[number : number + 1] = halves
            self._lasts[number : number + 1] = halves[0][-1], halves[1][-1]
        else:
            self._lasts[number] = chunk[-1]

    # --- reading ---------------------------------------------------------------------------------------------

    def find(self, key: object) -> None:
        """Compare a key with those that are there.

        Raises:
            TypeError: it can't be compared with them.
        """
        self._below(key)

    def within(self, span: Span, limit: int | None = None, *, reverse: bool = False) -> list[Any]:
        """The keys of a stretch, so many at most.

        Raises:
            TypeError: an end can't be compared with the keys.
        """
        (first, start), (last, stop) = self._ends(span)
        if first == last and limit is None:  # what most are; the rest does the same
            found = self._chunks[first][start:stop] if start < stop else []
            return found[::-1] if reverse else found
        parts = self._parts((first, start), (last, stop), reverse=reverse)
        return list(islice(chain.from_iterable(parts), limit))

    def count(self, span: Span) -> int:
        """How many keys a stretch has."""
        begin, end = self._ends(span)
        if end < begin:
            return 0
        return sum(map(len, self._chunks[begin[0] : end[0]])) + end[1] - begin[1]

    def _ends(self, span: Span) -> tuple[Place, Place]:
        low_included, high_included = span.inclusive
        low, high = span.low, span.high
        begin = (0, 0) if low is None else self._below(low) if low_included else self._above(low)
        end = (len(self._chunks), 0) if high is None else self._above(high) if high_included else self._below(high)
        return begin, end

    def _below(self, key: Any) -> Place:  # noqa: ANN401 - whatever has an order
        number = bisect_left(self._lasts, key)
        return number, bisect_left(self._chunks[number], key) if number < len(self._chunks) else 0

    def _above(self, key: Any) -> Place:  # noqa: ANN401 - whatever has an order
        number = bisect_right(self._lasts, key)
        return number, bisect_right(self._chunks[number], key) if number < len(self._chunks) else 0

    def _parts(self, begin: Place, end: Place, *, reverse: bool) -> Iterator[Iterable[Any]]:
        """The stretch's part of each chunk that it touches."""
        numbers = range(begin[0], min(end[0] + 1, len(self._chunks)))
        for number in reversed(numbers) if reverse else numbers:
            chunk = self._chunks[number]
            start = begin[1] if number == begin[0] else 0
            stop = end[1] if number == end[0] else len(chunk)
            part = chunk[start:stop] if stop - start < len(chunk) else chunk
            yield reversed(part) if reverse else part
