"""A server's attributes: taken as a copy, put back, and spoken of."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

_OWN: Final = "_GenServer__process"
"""What binds a server to its process: no part of its state."""

_LONGEST: Final = 1_000
"""Characters of one value that a crash report shows."""

_SPEAKER: Final = reprlib.Repr()
_SPEAKER.maxlevel = 4
_SPEAKER.maxtuple = _SPEAKER.maxlist = _SPEAKER.maxdict = _SPEAKER.maxset = _SPEAKER.maxdeque = 20
_SPEAKER.maxstring = _SPEAKER.maxother = _SPEAKER.maxlong = 200


def attributes(server: object) -> Mapping[str, object]:
    """The object's attributes at this moment, as a mapping that cannot be changed. The values are not copied."""
    return MappingProxyType(dict(_items(server)))


def restore(server: object, before: Mapping[str, object]) -> None:
    """Give the object the attributes that it had, and no others."""
    for name in attributes(server):
        if name not in before:
            delattr(server, name)
    for name, value in before.items():
        setattr(server, name, value)


def spoken(value: object) -> str:
    """The value's `repr`, of large containers only the beginning; never raises."""
    return _SPEAKER.repr(dict(value) if isinstance(value, Mapping) else value)


def shorten(text: str) -> str:
    """The text, cut to 1,000 characters."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} … ({len(text) - _LONGEST} more characters)"


def _items(server: object) -> Iterator[tuple[str, object]]:
    hidden: frozenset[str] = getattr(server, "_machinery", frozenset())  # what a base class keeps for itself
    for kind in type(server).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else tuple(slots):
            if not name.startswith("__") and hasattr(server, name):
                yield name, getattr(server, name)
    for name, value in getattr(server, "__dict__", {}).items():
        if name != _OWN and name not in hidden:
            yield name, value
