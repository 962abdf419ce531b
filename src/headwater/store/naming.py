"""What streams and tags may be called. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Final

from headwater.errors import InvalidStreamName, InvalidTag

LONGEST: Final = 255
"""How many characters the name of a stream or a tag may have."""

MOST_TAGS: Final = 100
"""How many tags an event may have."""

NUL: Final = "\0"
"""What no name can hold."""

EVERYTHING: Final = "$all"
"""What other event stores call the whole log; no stream may be called so."""

_FORBIDDEN: Final = frozenset({"Cc", "Cs"})


def check_stream_name(name: str) -> None:
    """Make sure that a stream may be called so: 1 to 255 characters, no control characters, not `$all`.

    Raises:
        InvalidStreamName: it may not, or is no string.
    """
    if not isinstance(name, str):
        raise InvalidStreamName(f"a stream's name is a string, not {name!r}")
    if name.isprintable() and 0 < len(name) <= LONGEST and name != EVERYTHING:
        return
    if name == EVERYTHING:
        raise InvalidStreamName(f"{name!r} means the whole log: nothing can be appended to it, only to its streams")
    fault = _fault(name)
    if fault:
        raise InvalidStreamName(f"a stream's name {fault}")


def check_lookup(name: str) -> None:
    """Make sure that a stream can be asked for. One that can't exist just isn't there, but for a NUL character.

    PostgreSQL's texts cannot hold it; so it is refused everywhere alike.

    Raises:
        InvalidStreamName: it holds one, or is no string.
    """
    if not isinstance(name, str):
        raise InvalidStreamName(f"a stream's name is a string, not {name!r}")
    if NUL in name:
        raise InvalidStreamName(f"a stream's name holds a NUL character: {name!r}")


def check_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """The tags in alphabetical order, each once: 1 to 255 characters, no control characters, at most 100.

    Raises:
        InvalidTag: one may not be called so, or there are too many.
        TypeError: one is no string, or all are one string.
    """
    if isinstance(tags, str):
        raise TypeError(f"tags are a collection of strings, such as [{tags!r}], not one string")
    found = tuple(sorted(set(tags)))
    if len(found) > MOST_TAGS:
        raise InvalidTag(f"an event has {len(found)} tags, {MOST_TAGS} are allowed")
    for tag in found:
        if not isinstance(tag, str):
            raise TypeError(f"a tag is a string, not {tag!r}")
        fault = "" if tag.isprintable() and 0 < len(tag) <= LONGEST else _fault(tag)
        if fault:
            raise InvalidTag(f"a tag {fault}")
    return found


def _fault(name: str) -> str:
    if not name:
        return "is empty"
    if len(name) > LONGEST:
        return f"has {len(name)} characters, {LONGEST} are allowed: {name!r}"
    for character in name:
        if unicodedata.category(character) in _FORBIDDEN:
            return f"holds {character!r}, which is no printable character: {name!r}"
    return ""
