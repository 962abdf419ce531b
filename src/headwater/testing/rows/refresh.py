"""Brings a catalogue up to date with the documents that list the rows."""

import msgspec

from headwater.testing.rows.catalogue import Catalogue, Group


class Refresh(msgspec.Struct, frozen=True):
    """A refreshed catalogue, and what is different in it.

    Attributes:
        catalogue: The rows as the documents list them, then those that vanished; the exceptions as they were.
        added: Ids that the old catalogue didn't have.
        retitled: Ids whose title changed.
        vanished: Ids that no document lists any more. They stay until someone removes them by hand: a test may
            still carry them, and a row must not get lost by an editing mistake.
    """

    catalogue: Catalogue
    added: list[str]
    retitled: list[str]
    vanished: list[str]


def refresh(old: Catalogue, listed: dict[str, Group]) -> Refresh:
    """Return what becomes of a catalogue when the documents list these groups. Changes neither argument."""
    before, now = old.titles(), Catalogue(listed).titles()
    return Refresh(
        catalogue=Catalogue(_merged(old.groups, listed), old.exceptions),
        added=[row for row in now if row not in before],
        retitled=[row for row in now if row in before and before[row] != now[row]],
        vanished=[row for row in before if row not in now],
    )


def _merged(old: dict[str, Group], listed: dict[str, Group]) -> dict[str, Group]:
    merged = {prefix: _with_vanished(group, old.get(prefix)) for prefix, group in listed.items()}
    return merged | {prefix: group for prefix, group in old.items() if prefix not in listed}


def _with_vanished(group: Group, old: Group | None) -> Group:
    vanished = {} if old is None else {row: old.rows[row] for row in old.rows if row not in group.rows}
    return Group(group.subject, group.section, group.rows | vanished)
