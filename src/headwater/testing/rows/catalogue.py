"""The catalogue: which rows there are, and which of them cannot exist in Python."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

CATALOGUE = Path("docs", "rows.toml")
"""Where a project keeps its catalogue, relative to its root."""

_HEADER = """\
# The rows: what the framework promises. A test carries the id of each row that it proves.
# Written by `python -m headwater.testing.rows`; comments are not kept.
# By hand: [exceptions], id = "reason", for a row that cannot exist in Python.
"""
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPED = re.compile(r'[\x00-\x1f\x7f"\\]')
_SHORT_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


class CatalogueError(Exception):
    """A catalogue, or a table that it is made from, is missing or malformed. The message says where."""


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rows that share a prefix.

    Attributes:
        subject: What the document is about that lists the rows.
        section: The part of that document.
        rows: Each id with its title, in the document's order.
    """

    subject: str
    section: str
    rows: dict[str, str]


class Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All rows.

    Attributes:
        groups: Each prefix with its group. Every id of a group starts with the prefix, so ids are unique.
        exceptions: Ids of rows that cannot exist in Python, each with the reason.
    """

    groups: dict[str, Group]
    exceptions: dict[str, str] = {}

    def titles(self) -> dict[str, str]:
        """Return every id with its title."""
        return {row: title for group in self.groups.values() for row, title in group.rows.items()}


def read_catalogue(path: Path) -> Catalogue:
    """Return the catalogue in a file.

    Raises:
        CatalogueError: The file is missing or malformed.
    """
    try:
        return parse_catalogue(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CatalogueError(f"{path} is missing") from None
    except CatalogueError as error:
        raise CatalogueError(f"{path}: {error}") from error


def parse_catalogue(text: str) -> Catalogue:
    """Return the catalogue that a TOML text holds: the inverse of `format_catalogue`.

    Raises:
        CatalogueError: The text is not TOML, is not a catalogue, or has an id in a group of another prefix.
    """
    try:
        catalogue = msgspec.convert(tomllib.loads(text), Catalogue)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise CatalogueError(str(error)) from error
    for prefix, group in catalogue.groups.items():
        _check_prefix(prefix, group)
    return catalogue


def _check_prefix(prefix: str, group: Group) -> None:
    for row in group.rows:
        if not row.startswith(f"{prefix}-"):
            raise CatalogueError(f"{row} stands in the group {prefix}")


def format_catalogue(catalogue: Catalogue) -> str:
    """Return the catalogue as TOML. Equal catalogues in equal order give equal texts."""
    tables = [_HEADER, _format_table("exceptions", catalogue.exceptions), _format_table("groups", {})]
    for prefix, group in catalogue.groups.items():
        about = {"subject": group.subject, "section": group.section}
        tables.append(_format_table(f"groups.{_format_key(prefix)}", about))
        tables.append(_format_table(f"groups.{_format_key(prefix)}.rows", group.rows))
    return "\n".join(tables)


def _format_table(name: str, entries: Mapping[str, str]) -> str:
    return "".join(_table_lines(name, entries))


def _table_lines(name: str, entries: Mapping[str, str]) -> Iterator[str]:
    yield f"[{name}]\n"
    for key, value in entries.items():
        yield f"{_format_key(key)} = {_format_string(value)}\n"


def _format_key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _format_string(key)


def _format_string(value: str) -> str:
    return f'"{_ESCAPED.sub(_escape, value)}"'


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    return _SHORT_ESCAPES.get(character, f"\\u{ord(character):04x}")
