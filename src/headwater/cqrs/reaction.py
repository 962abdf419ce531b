"""What a process manager wants to happen next. Values; pure."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from headwater.sourcing.messages import Command


class TimerSet(msgspec.Struct, frozen=True):
    """A timer of an instance is to be set; one of the same name that runs already is cancelled.

    Attributes:
        name: which of the instance's timers.
        after: seconds from the moment at which the step is taken; None if `at` is given.
        at: the moment; None if `after` is given.
    """

    name: str
    after: float | None = None
    at: datetime | None = None


class Reaction(msgspec.Struct, frozen=True):
    """What a process manager does about an event, a timer, or the answer to a command.

    Attributes:
        commands: to be dispatched, in this order, one after the other.
        timers: to be set.
        cancelled: the names of the timers that are to be cancelled; those that don't run are no matter.
        stopped: the instance has come to its end. All its timers are cancelled.
        discarded: the commands that wait to be dispatched are not dispatched any more.
        ignored: there is no instance that it concerns: nothing happens, and nothing is stored.
    """

    commands: tuple[Command, ...] = ()
    timers: tuple[TimerSet, ...] = ()
    cancelled: tuple[str, ...] = ()
    stopped: bool = False
    discarded: bool = False
    ignored: bool = False


IGNORED: Final = Reaction(ignored=True)
"""Nothing happens."""
