"""Where a store is, as one string."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from headwater.errors import NotAStore

_SCHEME: Final = "sqlite"
_FORMS: Final = "sqlite:///relative.db or sqlite:////absolute/path.db"


def sqlite_path(url: str) -> Path:
    """The file that a store's URL names.

    Args:
        url: `sqlite:///relative.db` or `sqlite:////absolute/path.db`. What follows the third slash is the path as
            it is: nothing is unquoted.

    Raises:
        NotAStore: the URL has another form. The message tells the right ones.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise NotAStore(f"{url!r} is not a URL; write {_FORMS}")
    if scheme != _SCHEME:
        raise NotAStore(f"there is no event store for {scheme}://; supported: {_FORMS}")
    if not rest.startswith("/"):
        raise NotAStore(f"{url!r} has too few slashes; write {_FORMS}")
    path = rest[1:]
    if path in ("", ":memory:") or path.endswith("/"):
        raise NotAStore(f"{url!r} names no file; write {_FORMS}")
    if "?" in path or "\x00" in path:
        raise NotAStore(f"{url!r} has a part that no path has: options are arguments, not parts of the URL")
    return Path(path)
