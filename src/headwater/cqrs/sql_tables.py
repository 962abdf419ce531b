"""The tables of a view in a database: named with the view's version, and described, so that changes show. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar, Final, Protocol, TypeAlias

import msgspec
from sqlalchemy import Column, Dialect, ForeignKey, Index, MetaData, Table
from sqlalchemy.exc import ArgumentError, CompileError, UnsupportedCompilationError
from sqlalchemy.schema import Constraint, CreateColumn, CreateIndex, SchemaItem

from headwater.errors import DefinitionError, ViewTablesChanged

TableDefinition: TypeAlias = dict[str, str]
"""What a table consists of: each column, constraint and index by its name, as SQL."""


class HasTables(Protocol):
    """A class with tables: a `SQLProjection`."""

    tables: ClassVar[Mapping[str, Table]]


class ViewTable:
    """A table of a `SQLProjection`, as an attribute of the class.

        class Balances(SQLProjection, version=2):
            balances = ViewTable(
                Column("account", String, primary_key=True),
                Column("amount", BigInteger, nullable=False),
            )

    The attribute is the SQLAlchemy `Table`. In the database it is called as the attribute is, with the view's version
    behind it: `balances_v2`.

    Args:
        items: columns, constraints and indexes, as for `Table`. A foreign key has no place here: the log has said
            already what happened.
    """

    def __init__(self, *items: SchemaItem) -> None:
        self._items: Final = items
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type[HasTables]) -> Table:
        try:
            return owner.tables[self._name]
        except KeyError:  # while the class is being made
            raise AttributeError(self._name) from None

    @property
    def name(self) -> str:
        """What the attribute is called."""
        return self._name

    @cached_property
    def template(self) -> Table:
        """The table without a version.

        Raises:
            DefinitionError: they make no table.
        """
        try:
            table = Table(self._name, MetaData(), *self._items)
        except ArgumentError as error:
            raise DefinitionError(f"table {self._name}: {error}") from error
        if any(isinstance(item, ForeignKey) for column in table.columns for item in column.foreign_keys):
            raise DefinitionError(f"table {self._name}: a view's table has no foreign keys")
        if not table.columns:
            raise DefinitionError(f"table {self._name} has no columns")
        return table


def make_tables(templates: Mapping[str, Table], version: int) -> dict[str, Table]:
    """The tables of one version of a view, by the names of the attributes."""
    metadata = MetaData()
    return {name: _versioned(template, metadata, version) for name, template in templates.items()}


def _versioned(template: Table, metadata: MetaData, version: int) -> Table:
    table = template.to_metadata(metadata, name=f"{template.name}_v{version}")
    for index in table.indexes:  # their names are known in the whole database, and the old version has its own
        index.name = f"{index.name}_v{version}"  # type: ignore[assignment]  # a plain string is one
    return table


def define(tables: Mapping[str, Table], dialect: Dialect) -> dict[str, TableDefinition]:
    """What the tables consist of, by their names in the database.

    Raises:
        DefinitionError: the database has no such type.
    """
    return {table.name: _define(table, dialect) for table in tables.values()}


def _define(table: Table, dialect: Dialect) -> TableDefinition:
    parts: TableDefinition = {}
    for column in table.columns:
        parts[f"column {column.name}"] = _column(column, dialect)
    for constraint in table.constraints:
        if text := _constraint(constraint):
            parts[f"constraint {text}"] = text
    for index in table.indexes:
        parts[f"index {index.name}"] = _index(index, dialect)
    return parts


def _column(column: Column[object], dialect: Dialect) -> str:
    try:
        return " ".join(str(CreateColumn(column).compile(dialect=dialect)).split())
    except (CompileError, UnsupportedCompilationError) as error:
        raise DefinitionError(f"column {column.table.name}.{column.name}: {error}") from error


def _constraint(constraint: Constraint) -> str:
    columns = ", ".join(column.name for column in getattr(constraint, "columns", ()))
    condition = getattr(constraint, "sqltext", "")
    return f"{type(constraint).__name__}({columns}){condition}" if columns or str(condition) else ""


def _index(index: Index, dialect: Dialect) -> str:
    return " ".join(str(CreateIndex(index).compile(dialect=dialect)).split())


def encode_definition(definition: Mapping[str, TableDefinition]) -> str:
    """As JSON, the same for the same tables."""
    return msgspec.json.encode(definition, order="sorted").decode()


def fingerprint(definition: str) -> str:
    """A short hash of it."""
    return hashlib.sha256(definition.encode()).hexdigest()[:16]


def check_definition(view: str, stored: str, present: Mapping[str, TableDefinition]) -> None:
    """Compare the tables of the class with those that were made for this version of the view.

    Raises:
        ViewTablesChanged: they differ. It names the first difference.
    """
    before = msgspec.json.decode(stored, type=dict[str, TableDefinition])
    for table in sorted({*before, *present}):
        if table not in present or table not in before:
            raise ViewTablesChanged(view, table, None, f"table {table} is {_new(table in present)}")
        old, new = before[table], present[table]
        for part in [*new, *(name for name in old if name not in new)]:
            if old.get(part) != new.get(part):
                raise ViewTablesChanged(view, table, _column_name(part), _difference(table, part, old, new))


def _difference(table: str, part: str, old: TableDefinition, new: TableDefinition) -> str:
    if part in old and part in new:
        return f"{part} of table {table} was {old[part]!r} and is {new[part]!r} now"
    return f"{part} of table {table} is {_new(part in new)}"


def _new(added: bool) -> str:
    return "new" if added else "gone"


def _column_name(part: str) -> str | None:
    return part.removeprefix("column ") if part.startswith("column ") else None
