"""How far a view has come, as data."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

from headwater.types import Position

ViewState: TypeAlias = Literal["catching up", "live", "failed"]
"""`catching up`: a page of events or more behind the log, or not yet where that ended at the start; `live`: less than
that; `failed`: stopped at an event."""


class RebuildProgress(msgspec.Struct, frozen=True):
    """How far the building of a view has come.

    Attributes:
        view: the name of what is built, with its version.
        position: the position up to which it has followed the log.
        head: the log's highest position, as it was last seen.
        events_per_second: how fast, on the average since the beginning; 0 until something was followed.
        seconds_left: how long it will take at this rate until the head; None as long as there is no rate.
    """

    view: str
    position: Position
    head: Position
    events_per_second: float
    seconds_left: float | None

    @property
    def lag(self) -> int:
        """How many events it is behind."""
        return self.head - self.position


class ViewStatus(msgspec.Struct, frozen=True):
    """How far a view has come.

    Attributes:
        view: its name, with the version that serves.
        position: the position up to which it has followed the log.
        failure: what stopped it, or None.
        state: whether it keeps up.
        head: the log's highest position.
        lag: how many events it is behind.
        moved_at: when it last followed an event; None if it has not since it was started.
        snapshot: the position of its last snapshot; None if there is none.
        rebuild: how far another build of it has come, if one is under way beside it.
    """

    view: str
    position: Position
    failure: str | None
    state: ViewState = "live"
    head: Position = Position(0)
    lag: int = 0
    moved_at: datetime | None = None
    snapshot: Position | None = None
    rebuild: RebuildProgress | None = None

    def with_rebuild(self, rebuild: RebuildProgress | None) -> ViewStatus:
        """The same, with what is being built beside it."""
        return msgspec.structs.replace(self, rebuild=rebuild)
