"""From an address to a database for one view."""

from __future__ import annotations

from headwater.cqrs.sql_address import ViewAddress
from headwater.cqrs.sql_database import ViewDatabase
from headwater.cqrs.sql_sqlite import SqliteViewDatabase


async def open_view_database(address: ViewAddress, writers: int = 1) -> ViewDatabase:
    """Open it.

    Args:
        address: where.
        writers: how many transactions shall write at a time, if the database can do that.

    Raises:
        ViewUnavailable: it can't be reached.
        MissingExtra: its driver isn't installed.
    """
    if address.postgres is None:
        return SqliteViewDatabase(address.path)
    from headwater.cqrs.sql_postgres import PostgresViewDatabase  # asyncpg is needed by those alone who name one

    database = PostgresViewDatabase(address.postgres, writers)
    await database.create_schema()
    return database
