"""Where a PostgreSQL store is, taken from its URL. Pure."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

import msgspec

from headwater.errors import NotAStore

FORM: Final = "postgresql://user:password@host:port/database"
SCHEMA: Final = "headwater"
"""The schema whose tables hold the log, unless the URL names another."""

_WRITE: Final = f"write {FORM}, and quote what means something in a URL: %23 for #, %40 for @, %2F for /"
_SCHEMA_NAME: Final = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,39}")
_OURS: Final = frozenset({"schema", "durability", "session_host", "session_port"})
_SHOWN: Final = frozenset({"host", "port", "schema"})
_LAST_PORT: Final = 65_535


class PostgresAddress(msgspec.Struct, frozen=True):
    """A database, and the schema in it.

    Attributes:
        dsn: what the driver connects to, with the password.
        location: the same for people, without secrets.
        schema: the schema that holds the tables.
        session: host and port for the connection that listens, when the others go through a pooler that hands out
            connections for one transaction at a time; None when all of them are connections of the server itself.
    """

    dsn: str
    location: str
    schema: str = SCHEMA
    session: tuple[str, int] | None = None

    @property
    def pooled(self) -> bool:
        """Whether a pooler lies between, so that a connection keeps nothing from one transaction to the next."""
        return self.session is not None


class PostgresUrl(msgspec.Struct, frozen=True):
    """A PostgreSQL URL's parts.

    Attributes:
        address: the database and the schema.
        durability: what the URL's option says; None if it doesn't say.
    """

    address: PostgresAddress
    durability: str | None


def parse_postgres_url(url: str) -> PostgresUrl:
    """Take a URL apart.

    Args:
        url: `postgresql://user:password@host:port/database`, with options behind a question mark: `schema`,
            `durability`, `session_host` with `session_port`; all others are the driver's, such as `sslmode`.

    Raises:
        NotAStore: the URL has another form. The message never shows a password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # its message shows a part of the URL, which may be of the password
        raise NotAStore(f"this PostgreSQL URL has no proper host or port; {_WRITE}") from None
    if port == 0 or parts.fragment:
        raise NotAStore(f"this PostgreSQL URL has a port 0, or a # in it; {_WRITE}")
    options = _options(parts)
    location = _location(parts, options)
    address = PostgresAddress(
        dsn=parts._replace(
            query=urlencode([(name, value) for name, value in options.items() if name not in _OURS])
        ).geturl(),
        location=location,
        schema=_schema(options.get("schema", SCHEMA), location),
        session=_session(options, location),
    )
    return PostgresUrl(address, options.get("durability"))


def _options(parts: SplitResult) -> dict[str, str]:
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    options = dict(pairs)
    if len(options) < len(pairs):
        raise NotAStore(f"{_location(parts, {})}: an option stands there twice")
    return options


def _schema(name: str, location: str) -> str:
    if not _SCHEMA_NAME.fullmatch(name):
        raise NotAStore(
            f"{location}: no schema for events can be called {name!r}; use up to 40 lower-case letters, digits and "
            "underscores, not beginning with a digit or pg_"
        )
    return name


def _session(options: dict[str, str], location: str) -> tuple[str, int] | None:
    host, port = options.get("session_host"), options.get("session_port")
    if host is None and port is None:
        return None
    if not host or not port or not port.isdecimal() or not 0 < int(port) <= _LAST_PORT:
        raise NotAStore(f"{location}: session_host and session_port belong together: a host and a port's number")
    return host, int(port)


def _location(parts: SplitResult, options: dict[str, str]) -> str:
    user = f"{quote(parts.username)}@" if parts.username else ""
    host = parts.netloc.rpartition("@")[2]
    query = urlencode([(name, value) for name, value in options.items() if name in _SHOWN], safe="/")
    return f"postgresql://{user}{host}{parts.path}{'?' if query else ''}{query}"
