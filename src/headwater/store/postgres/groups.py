"""Groups of appends between their draft and their answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from headwater.errors import StoreError
from headwater.store.adapter import Append
from headwater.store.model import Appended
from headwater.store.postgres.catalogue import Head
from headwater.store.postgres.draft import Draft

Outcome = Appended | StoreError


class InFlight(NamedTuple):
    """What was sent to be committed, while nobody knows whether it was.

    Attributes:
        revision: the revision that it needs the log to be at.
        draft: the draft; None for a change that is no append.
        outcomes: what its appends are answered once it is committed.
    """

    revision: int
    draft: Draft | None
    outcomes: list[Outcome]


class Prepared(NamedTuple):
    """A group that was drafted while the one before it was under way.

    Attributes:
        appends: the group.
        base: the head behind the group before it. The draft holds while this is the catalogue's, and only then.
        draft: its draft.
        outcomes: what is answered once it is committed.
    """

    appends: Sequence[Append]
    base: Head
    draft: Draft
    outcomes: list[Outcome]
