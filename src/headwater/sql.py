"""Views whose rows lie in a database. Needs the extra `sql`, and `postgres` for PostgreSQL.

from headwater.sql import Rows, SQLProjection, Statement, ViewTable
"""

from __future__ import annotations

from headwater.errors import MissingExtra

try:
    import sqlalchemy  # noqa: F401 - before those that need it
except ImportError as missing:
    raise MissingExtra("sqlalchemy isn't installed: pip install 'headwater[sql]'") from missing

from headwater.cqrs.sql_batch import Statement
from headwater.cqrs.sql_projection import SQLProjection
from headwater.cqrs.sql_rows import Rows
from headwater.cqrs.sql_tables import ViewTable

__all__ = ["Rows", "SQLProjection", "Statement", "ViewTable"]
