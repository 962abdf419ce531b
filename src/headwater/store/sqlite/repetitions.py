"""The query for the events that have the ids of a group's idempotent appends."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from headwater.store.adapter import Append
from headwater.store.repetition import Repetition
from headwater.store.repetitions import Repetitions, events_of
from headwater.store.sqlite import page


def look_up(connection: apsw.Connection, appends: Sequence[Append]) -> Repetitions:
    """What the file holds of the idempotent ones among a group of appends.

    Raises:
        apsw.Error: SQLite refused.
    """
    ids = [event.id for append in appends if append.idempotent for event in events_of(append)]
    stored = page.events_by_id(connection, ids)
    ends = page.ends(connection, [event.position - 1 for event in stored])
    return Repetitions(Repetition(event, event.position == 1 or event.position - 1 in ends) for event in stored)
