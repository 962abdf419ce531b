"""Where a store is, as one string."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, NamedTuple

from headwater.errors import NotAStore
from headwater.store.postgres.address import FORM, PostgresAddress, parse_postgres_url

Durability = Literal["full", "relaxed"]
"""`full`: on the disk before the answer. `relaxed`: what was answered last may be lost with the machine (a power
failure, a crash of the operating system), though not with the process; the log is whole in any case."""

_FORMS: Final = f"sqlite:///relative.db, sqlite:////absolute/path.db, {FORM} or memory://"
_DURABILITY: Final[dict[str, Durability]] = {"full": "full", "relaxed": "relaxed"}


def check_durability(place: str, wanted: str) -> Durability:
    """Look at a durability that somebody wants, and return it.

    Args:
        place: where it shall hold, for the message.
        wanted: which.

    Raises:
        NotAStore: there is no such durability.
    """
    found = _DURABILITY.get(wanted)
    if found is None:
        raise NotAStore(f"{place}: durability is full or relaxed, not {wanted!r}")
    return found


class StoreUrl(NamedTuple):
    """A URL's parts.

    Attributes:
        path: the SQLite file; None for others.
        durability: what the URL asks for; None if it doesn't say.
        postgres: the PostgreSQL database; None for others.
    """

    path: Path | None
    durability: Durability | None
    postgres: PostgresAddress | None = None


def parse_url(url: str) -> StoreUrl:
    """What a store's URL names.

    Args:
        url: `sqlite:///relative.db`, `sqlite:////absolute/path.db` or `memory://`. What follows the third slash is
            the path as it is: nothing is unquoted. `?durability=relaxed` may stand at its end. Or
            `postgresql://user:password@host:port/database`, see `parse_postgres_url`.

    Raises:
        NotAStore: the URL has another form. The message tells the right ones.
    """
    scheme, separator, rest = url.partition("://")
    if scheme in ("postgresql", "postgres"):
        return _postgres(url)
    if not separator:
        raise NotAStore(f"{url!r} is not a URL; write {_FORMS}")
    if scheme == "memory":
        if rest:
            raise NotAStore(f"{url!r} names something, but memory has no names; write memory://")
        return StoreUrl(None, None)
    if scheme != "sqlite":
        raise NotAStore(f"there is no event store for {scheme}://; supported: {_FORMS}")
    return _sqlite(url, rest)


def _postgres(url: str) -> StoreUrl:
    parsed = parse_postgres_url(url)
    wanted = parsed.durability
    durability = None if wanted is None else check_durability(parsed.address.location, wanted)
    return StoreUrl(None, durability, parsed.address)


def _sqlite(url: str, rest: str) -> StoreUrl:
    if not rest.startswith("/"):
        raise NotAStore(f"{url!r} has too few slashes; write {_FORMS}")
    path, question, option = rest[1:].partition("?")
    if path in ("", ":memory:") or path.endswith("/"):
        raise NotAStore(f"{url!r} names no file; write {_FORMS}")
    if "\x00" in path:
        raise NotAStore(f"{url!r} has a part that no path has")
    if question and option not in ("durability=full", "durability=relaxed"):
        raise NotAStore(f"{url!r} has an option {option!r}; there are durability=full and durability=relaxed only")
    return StoreUrl(Path(path), _DURABILITY.get(option.removeprefix("durability=")))
