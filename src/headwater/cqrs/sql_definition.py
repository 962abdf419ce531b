"""What a view in a database is made of: tables, what events do to them, and answers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, TypeVar, cast

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite

from headwater.cqrs.projection import Projection
from headwater.cqrs.query import Query
from headwater.cqrs.sql_batch import Statement
from headwater.cqrs.sql_private import PrivateTables
from headwater.cqrs.sql_rows import Rows
from headwater.errors import DefinitionError
from headwater.store.model import Recorded

Answer = TypeVar("Answer")


class SQLDefinition(Projection):
    """The base of `SQLProjection`, as far as those know it who make its tables and write its rows.

    Attributes:
        tables: see `SQLProjection`.
        partitions: see `SQLProjection`.
        batch: see `SQLProjection`.
        dialect: see `SQLProjection`.
    """

    in_database: ClassVar[bool] = True
    tables: ClassVar[Mapping[str, Table]] = {}
    partitions: ClassVar[int] = 1
    batch: ClassVar[int] = 1_000
    dialect: str = "sqlite"
    _private: PrivateTables | None = None

    def insert(self, table: Table) -> sqlite.Insert:
        """An INSERT that may have `on_conflict_do_update` and `on_conflict_do_nothing`, for the database at hand."""
        if self.dialect == "postgresql":
            return cast("sqlite.Insert", postgresql.insert(table))  # the two have these methods in common
        return sqlite.insert(table)

    def partition_key(self, recorded: Recorded) -> str:
        """What decides to which partition an event belongs; by default the name of its stream.

        Events with one key are followed in the order of the log; those of different partitions in any order. So events
        that change the same rows need the same key, unless their order doesn't matter. Raise the version when this
        changes.
        """
        return recorded.stream

    def statements(self, recorded: Recorded) -> Iterable[Statement]:
        """What an event does to the tables. Nothing, if there is no method for it.

        Raises:
            Exception: whatever the method raises.
        """
        event = recorded.event
        found = self._followers.get(type(event))
        if found is None:
            return ()
        function, wants_recorded = found
        given = function(self, event, recorded) if wants_recorded else function(self, event)
        if given is None:
            return ()
        if not isinstance(given, Iterable):
            raise TypeError(f"{function.__qualname__} must yield statements, not return {given!r}")
        return cast("Iterable[Statement]", given)

    def answer_from(self, query: Query[Answer], rows: Rows) -> Answer:
        """The view's answer, read from its tables.

        Raises:
            DefinitionError: it has no method for this query.
        """
        function = self._answers.get(type(query))
        if function is None:
            raise DefinitionError(f"{type(self).__qualname__} has no answer for {type(query).__qualname__}")
        return cast("Answer", function(self, query, rows))

    # --- by itself -------------------------------------------------------------------------------------------

    def follow(self, recorded: Recorded) -> None:
        """Let the private tables follow one event: all of its statements, or none.

        Raises:
            Exception: whatever the method or the database raises.
        """
        self._own().execute(self.statements(recorded))

    def ask(self, query: Query[Answer]) -> Answer:
        """The answer from the private tables.

        Raises:
            DefinitionError: it has no method for this query.
        """
        return self._own().read(lambda rows: self.answer_from(query, rows))

    def _own(self) -> PrivateTables:
        if self._private is None:
            self._private = PrivateTables(self.tables)
        return self._private
