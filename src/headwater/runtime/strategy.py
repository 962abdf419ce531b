"""Whom a supervisor restarts when a child has ended, and how often it bears that. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from headwater.errors import DefinitionError
from headwater.runtime.backoff import Backoff

Member = TypeVar("Member")


class Strategy:
    """What `OneForOne`, `OneForAll` and `RestForOne` have in common.

    Args:
        max_restarts: how many restarts are bearable …
        within: … in so many seconds. One more, and the supervisor itself gives up with reason `shutdown`.
        backoff: how long to wait before a restart; None restarts at once. A child that has lived for `within`
            seconds begins with the first wait again. The waits don't change what is bearable: a limit that is not
            reached within `within` seconds is never reached.

    Raises:
        DefinitionError: a negative number of restarts, or a time that isn't positive.
    """

    __slots__ = ("backoff", "max_restarts", "within")

    def __init__(self, max_restarts: int = 3, within: float = 5.0, backoff: Backoff | None = None) -> None:
        if max_restarts < 0:
            raise DefinitionError(f"max_restarts is 0 or more, not {max_restarts}")
        if not within > 0:
            raise DefinitionError(f"within is a positive number of seconds, not {within}")
        self.max_restarts = max_restarts
        self.within = within
        self.backoff = backoff

    def affected(self, members: Sequence[Member], failed: Member) -> Sequence[Member]:
        """Who is ended and started again because `failed` has ended, in the order of their start.

        Args:
            members: all of the supervisor's children, in the order of their start.
            failed: one of them.
        """
        raise NotImplementedError


class OneForOne(Strategy):
    """Only the child that ended is restarted."""

    __slots__ = ()

    def affected(self, members: Sequence[Member], failed: Member) -> Sequence[Member]:
        """The one that failed."""
        return [failed]


class OneForAll(Strategy):
    """All children are restarted: none of them can do without any other."""

    __slots__ = ()

    def affected(self, members: Sequence[Member], failed: Member) -> Sequence[Member]:
        """Everyone."""
        return members


class RestForOne(Strategy):
    """The child that ended and those that were started after it are restarted: each builds on those before it."""

    __slots__ = ()

    def affected(self, members: Sequence[Member], failed: Member) -> Sequence[Member]:
        """The one that failed and those behind it."""
        return members[members.index(failed) :]
