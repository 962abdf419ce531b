"""How a supervisor ends a child."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from headwater.clock import Timer
from headwater.errors import DefinitionError
from headwater.runtime.exits import Exit, Reason
from headwater.runtime.process import Process

ShutdownForm = float | Literal["kill"] | None
"""How a child is ended. A number: it is asked with `Exit.SHUTDOWN`, and killed if it hasn't ended in so many seconds.
None: it is asked, and may take for ever. `kill`: it is killed at once, without being asked."""


def checked(shutdown: ShutdownForm) -> ShutdownForm:
    """The same, if it is one of the forms.

    Raises:
        DefinitionError: it isn't.
    """
    given: object = shutdown
    if given is None or given == "kill" or (isinstance(given, int | float) and given > 0):
        return shutdown
    raise DefinitionError(
        f'shutdown is a positive number of seconds, None for ever, or "kill" for at once, not {shutdown!r}'
    )


def end_child(parent: Process, child: Process, shutdown: ShutdownForm, ended: Callable[[Reason, bool], None]) -> None:
    """Begin to end a child, and call `ended` once, when it has: perhaps before this returns.

    It is killed in time also when its supervisor is no more.

    Args:
        parent: its supervisor.
        child: the child.
        shutdown: how.
        ended: called with the reason for which it ended, and whether it had to be killed because it took too long.
    """
    if child.reason is not None:
        ended(child.reason, False)
        return
    _Ending(parent, child, shutdown, ended)


class _Ending:
    """A child that is on its way out."""

    __slots__ = ("_child", "_ended", "_late", "_timer")

    def __init__(
        self, parent: Process, child: Process, shutdown: ShutdownForm, ended: Callable[[Reason, bool], None]
    ) -> None:
        self._child = child
        self._ended = ended
        self._late = False
        self._timer: Timer | None = None
        child.watch(self._finish)
        child.receive_exit(parent, Exit.KILL if shutdown == "kill" else Exit.SHUTDOWN)
        if isinstance(shutdown, int | float) and child.alive:
            self._timer = child.node.clock.call_later(shutdown, self._kill)

    def _kill(self) -> None:
        self._late = True
        self._child.receive_exit(None, Exit.KILL)

    def _finish(self, reason: Reason) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._ended(reason, self._late)
