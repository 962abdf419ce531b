"""Reads rows from the tables of Markdown documents."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from headwater.testing.rows.catalogue import CatalogueError, Group

_ROW_ID = re.compile(r"([A-Z]{2})-\d{2,}")
_CELL_BORDER = re.compile(r"(?<!\\)\|")


class ListedRow(NamedTuple):
    """A row as a document lists it: under a subject (`# …`) and a section (`## …`)."""

    subject: str
    section: str
    id: str
    title: str


def read_documents(directory: Path) -> dict[str, Group]:
    """Return the groups that the Markdown files of a directory list, files in the order of their names.

    Raises:
        CatalogueError: The directory lists no row, or one id twice.
    """
    documents = sorted(directory.glob("*.md"))
    listed = [row for path in documents for row in listed_rows(path.read_text(encoding="utf-8"))]
    if not listed:
        raise CatalogueError(f"{directory} lists no rows")
    return grouped(listed)


def listed_rows(document: str) -> Iterator[ListedRow]:
    """Yield the rows of a document: the table lines whose first cell is an id, with their second cell as title."""
    subject = section = ""
    for line in document.splitlines():
        if line.startswith("# "):
            subject, section = line.removeprefix("# ").strip(), ""
        elif line.startswith("## "):
            section = line.removeprefix("## ").strip()
        elif len(cells := _cells(line)) > 1 and _ROW_ID.fullmatch(cells[0]):
            yield ListedRow(subject, section, cells[0], cells[1])


def _cells(line: str) -> list[str]:
    if not line.startswith("|"):
        return []
    return [cell.strip().replace(r"\|", "|") for cell in _CELL_BORDER.split(line)[1:]]


def grouped(listed: Iterable[ListedRow]) -> dict[str, Group]:
    """Return the rows by prefix. A group has the subject and section of its first row.

    Raises:
        CatalogueError: An id is listed twice.
    """
    groups: dict[str, Group] = {}
    for row in listed:
        prefix = row.id.partition("-")[0]
        group = groups.setdefault(prefix, Group(row.subject, row.section, {}))
        if row.id in group.rows:
            raise CatalogueError(f"{row.id} is listed twice")
        group.rows[row.id] = row.title
    return groups
