"""What can be read of any table."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Generic, Self, TypeVar, overload

import msgspec

from headwater.runtime.pid import Pid
from headwater.tables.changes import ChangeSubscription, Listener
from headwater.tables.content import Content
from headwater.tables.file import TableFileInfo, save
from headwater.tables.info import TableInfo, describe, memory
from headwater.tables.match import Where, where
from headwater.tables.query import Plan, Query
from headwater.tables.subscriber import ProcessListener

Row = TypeVar("Row")
Total = TypeVar("Total")


class Continuation(Generic[Row]):
    """Where a page ended. Given to `page` to get the next one."""

    __slots__ = ("candidates", "limit", "position", "where")

    def __init__(self, where: Where[Row], limit: int, candidates: list[Row], position: int) -> None:
        self.where = where
        self.limit = limit
        self.candidates = candidates
        self.position = position


class Page(msgspec.Struct, Generic[Row], frozen=True):
    """Some of the rows that were asked for.

    Attributes:
        rows: these.
        continuation: where to go on; None if there are no more.
    """

    rows: list[Row]
    continuation: Continuation[Row] | None


class Reader(Generic[Row]):
    """What can be read of any table. Readers don't change it; they see each of its changes at once.

    Any thread may read. Every read shows the table as it is at one moment: never half of a write, also if that is one
    of a whole list. Rows are the very objects that were inserted; they are immutable, so nobody needs a copy.

    Readers are equal if their tables hold equal rows.
    """

    __slots__ = ("_content",)

    def __init__(self, content: Content[Row]) -> None:
        self._content = content

    # --- all rows --------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return self._content.size()

    def __contains__(self, key: object) -> bool:
        return key in self._content.rows

    def __iter__(self) -> Iterator[Row]:
        """Iterates over the rows as they were when the iteration began.

        Others may write meanwhile; each row that was there at the beginning comes exactly once.
        """
        return iter(self._content.all())

    def rows(self) -> list[Row]:
        """All rows as they are now: in the order of their keys if they have one, else of their arrival."""
        return self._content.all()

    def keys(self) -> list[object]:
        """All keys as they are now, each once, in the order of `rows`."""
        return list(dict.fromkeys(map(self._content.key, self._content.all())))

    def fold(self, function: Callable[[Total, Row], Total], initial: Total) -> Total:
        """What `function` returns last, given what it returned before, at first `initial`, and each row."""
        total = initial
        for row in self._content.all():
            total = function(total, row)
        return total

    # --- searching -------------------------------------------------------------------------------------------

    def match(self, **fields: object) -> list[Row]:
        """The rows whose fields are so: `match(side="buy", price=Between(10, 20))`. See `where`.

        Raises:
            UnknownField: rows have no such field.
        """
        return Query(self._content, where(**fields)).find()

    def select(self, rows: Where[Row], *, limit: int | None = None, reverse: bool = False) -> list[Row]:
        """The rows that are meant, found by key, order or index where that is possible; see `explain`.

        Args:
            rows: which; see `where` and `like`.
            limit: how many at most.
            reverse: whether to begin at the other end.

        Raises:
            UnknownField: rows have no such field.
            ValueError: the limit is negative.
        """
        return Query(self._content, rows).find(limit, reverse=reverse)

    @overload
    def page(self, rows: Where[Row], *, limit: int, reverse: bool = False) -> Page[Row]: ...

    @overload
    def page(self, rows: Continuation[Row]) -> Page[Row]: ...

    def page(self, rows: Where[Row] | Continuation[Row], *, limit: int = 1, reverse: bool = False) -> Page[Row]:
        """The first of the rows that are meant, or the next ones.

        Others may write between two pages: each row that is there throughout comes exactly once, as it is when its
        page is made, if it is still meant then; rows that have gone don't come, and neither do those that were inserted
        after the first page.

        Args:
            rows: which; or the continuation of the page before.
            limit: how many a page.
            reverse: whether to begin at the other end.

        Raises:
            UnknownField: rows have no such field.
            ValueError: the limit isn't positive.
        """
        if not isinstance(rows, Continuation):
            if limit < 1:
                raise ValueError(f"a page has at least one row, not {limit}")
            rows = Continuation(rows, limit, Query(self._content, rows).candidates(reverse=reverse), 0)
        return self._next(rows)

    def _next(self, continuation: Continuation[Row]) -> Page[Row]:
        where, limit, candidates = continuation.where, continuation.limit, continuation.candidates
        found: list[Row] = []
        test = where.test(self._content.shape)
        for position in range(continuation.position, len(candidates)):
            row = self._content.fresh(candidates[position])
            if row is None or not test(row):
                continue
            if len(found) == limit:
                return Page(found, Continuation(where, limit, candidates, position))
            found.append(row)
        return Page(found, None)

    def count(self, rows: Where[Row]) -> int:
        """How many rows are meant.

        Raises:
            UnknownField: rows have no such field.
        """
        return len(self.select(rows))

    def explain(self, rows: Where[Row]) -> Plan:
        """How `select` would find these rows, and how many it would look at.

        Raises:
            UnknownField: rows have no such field.
        """
        return Query(self._content, rows).plan

    # --- changes ---------------------------------------------------------------------------------------------

    def subscribe(self, listener: Pid[object] | Listener) -> ChangeSubscription:
        """Tell of each write from now on, in their order, after it was made. Call it in the thread that writes.

        Args:
            listener: a process gets `TableChanged` messages in `handle_info`, as many as its mailbox has room for, and
                until it ends. A function is called with them, in the turn of whoever wrote; it must be quick. One that
                raises is logged and stays.
        """
        content = self._content
        content.watch_rows()
        if isinstance(listener, Pid):
            return ProcessListener(content.watch.changes, listener)
        return ChangeSubscription(content.watch.changes, listener)

    # --- what it is ------------------------------------------------------------------------------------------

    @property
    def name(self) -> str | None:
        """What it is called, if it has a name."""
        return self._content.name

    def info(self) -> TableInfo:
        """What it is, and how large."""
        return describe(self._content)

    def memory(self) -> int:
        """About how many bytes it takes: its own structures, and its rows with what they refer to.

        Rows are measured by a sample of about a thousand. A value that several rows share counts for each of them.
        """
        return memory(self._content)

    def save(self, path: str | os.PathLike[str]) -> TableFileInfo:
        """Write the rows as they are at one moment into a file, for `load`.

        The file is replaced when the new one is whole and on the disk. It blocks for the disk: in a program with a
        loop, run it in a thread (`await asyncio.to_thread(table.save, path)`).

        Raises:
            TableFileError: a row holds something that has no form in a file.
            OSError: the file can't be written.
        """
        return save(self._content, path)

    @property
    def content(self) -> Content[Row]:
        """What it consists of. For the tables' own modules; applications have no use for it."""
        return self._content

    @classmethod
    def of(cls, content: Content[Row]) -> Self:
        """Another handle of a table. For the tables' own modules."""
        handle = cls.__new__(cls)
        handle._content = content  # noqa: SLF001 - it is one of these itself
        return handle

    def move(self, why: str) -> Self:
        """A new handle in place of this one, whose every use raises `TableGone`. For the tables' own modules."""
        moved = self.of(self._content)
        self._content = self._content.detached(why)
        return moved

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Reader) or self._content.kind != other._content.kind:
            return False
        return self._content is other._content or self._content.same_rows(other._content)

    __hash__ = None  # type: ignore[assignment]  # tables change

    def __repr__(self) -> str:
        name = "" if self._content.name is None else f" {self._content.name!r}"
        return f"<{type(self).__name__}{name} of {self._content.shape.name}>"
