"""What follows the log and can be waited for: views and event handlers."""

from __future__ import annotations

from headwater.errors import CallingSelf, InternalError
from headwater.runtime.genserver import GenServer
from headwater.runtime.pid import Pid
from headwater.runtime.process import current
from headwater.runtime.reply import Deferred
from headwater.types import Position


class Follower:
    """Base of the classes that an application may name in a `wait_for`."""


class FollowerProcess(GenServer):
    """The process of one follower."""

    def reached(self, position: int) -> Deferred[Position]:
        """Answered as soon as the log was followed up to `position`."""
        raise InternalError(f"{type(self).__qualname__} has no reached")


def other(follower: Pid[FollowerProcess]) -> Pid[FollowerProcess]:
    """The same, unless the caller is its code, which would wait for itself.

    Raises:
        CallingSelf: the caller runs in the follower's own turn, or in that of a process below it.
    """
    caller = current.get()
    while caller is not None:
        if caller is follower.process:
            raise CallingSelf(f"{follower.label} waits for itself: it would come to the events only afterwards")
        caller = caller.parent
    return follower
