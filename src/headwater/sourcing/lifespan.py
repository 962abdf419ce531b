"""How long an aggregate stays in memory when nobody wants anything of it. Pure."""

from __future__ import annotations

import math
from typing import Final

from headwater.sourcing.messages import Command, Event

IDLE: Final = 300.0
"""Seconds that an idle aggregate stays in memory, unless its class says otherwise."""

NEVER: Final = math.inf
"""The lifespan of an aggregate that doesn't leave by itself; the bound on live aggregates may still end it."""

AT_ONCE: Final = 0.0
"""The lifespan of an aggregate that leaves as soon as all of its commands are answered."""


class Lifespan:
    """How many seconds an aggregate's process stays once all of its commands are answered.

        class Account(Aggregate, identity="account", lifespan=Lifespan(60.0)): ...

    The last command that was answered decides: `after_event` if it had events, `after_command` if it had nothing to
    do, `after_error` if it was rejected or failed. Override them for a lifespan that depends on what happened:

        class UntilClosed(Lifespan):
            def after_event(self, event: Event) -> float:
                return AT_ONCE if isinstance(event, Closed) else self.idle

    A process that has left is started again, from the log, by the next command. Nothing is lost by it but time.

    Args:
        idle: seconds; `NEVER` and `AT_ONCE` are two of them.

    Raises:
        ValueError: the time is negative or no number.
    """

    def __init__(self, idle: float = IDLE) -> None:
        if not idle >= 0:
            raise ValueError(f"a lifespan is 0 seconds or more, not {idle}")
        self.idle: Final = idle

    def after_event(self, event: Event) -> float:
        """Seconds to stay after a command whose last event was this one."""
        return self.idle

    def after_command(self, command: Command) -> float:
        """Seconds to stay after a command that had nothing to do."""
        return self.idle

    def after_error(self, command: Command, error: BaseException) -> float:
        """Seconds to stay after a command that was rejected or failed."""
        return self.idle
