"""Where the tables of views are, from URLs. Pure, and without the library that speaks with databases."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

from headwater.errors import DefinitionError, NotAStore
from headwater.store.postgres.address import PostgresAddress
from headwater.store.url import StoreUrl, parse_url

SCHEMA: Final = "headwater_views"
"""The schema of a PostgreSQL database in which views lie, unless the URL names another."""


class ViewAddress(msgspec.Struct, frozen=True):
    """A database for views.

    Attributes:
        path: the SQLite file; None for memory and for PostgreSQL.
        postgres: the PostgreSQL database and the schema in it; None for SQLite.
    """

    path: Path | None = None
    postgres: PostgresAddress | None = None

    @property
    def location(self) -> str:
        """The same for people, without secrets."""
        if self.postgres is not None:
            return self.postgres.location
        return "memory" if self.path is None else str(self.path)


def view_address(url: str | None, store: str) -> ViewAddress:
    """Where views are.

    Args:
        url: `sqlite:///relative.db`, `sqlite:////absolute/path.db`, `postgresql://user:password@host:port/database`
            with `?schema=name` behind it or not, or `memory://`. None for the place that belongs to the store: a file
            `bank.views.db` beside a store in `bank.db`, the schema `headwater_views` in the database of the store,
            memory if the store is in memory.
        store: the URL of the event store.

    Raises:
        DefinitionError: the URL has another form, or names the store's own file: that has one writer already.
        NotAStore: the store's URL has another form.
    """
    log = parse_url(store)
    address = _beside(store, log) if url is None else _parsed(url)
    if address.path is not None and log.path is not None and address.path.absolute() == log.path.absolute():
        raise DefinitionError(f"{address.path} is the event store's, which has one writer; give views another file")
    return address


def _beside(store: str, log: StoreUrl) -> ViewAddress:
    if log.postgres is not None:
        return _parsed(_with_schema(store, SCHEMA))
    return ViewAddress(None if log.path is None else log.path.with_suffix(f".views{log.path.suffix}"))


def _parsed(url: str) -> ViewAddress:
    try:
        parsed = parse_url(url)
        if parsed.postgres is not None and "schema" not in dict(parse_qsl(urlsplit(url).query)):
            parsed = parse_url(_with_schema(url, SCHEMA))
    except NotAStore as error:
        raise DefinitionError(f"the database of a view: {error}") from error
    return ViewAddress(parsed.path, parsed.postgres)


def _with_schema(url: str, schema: str) -> str:
    parts = urlsplit(url)
    return parts._replace(query=urlencode(dict(parse_qsl(parts.query)) | {"schema": schema})).geturl()
