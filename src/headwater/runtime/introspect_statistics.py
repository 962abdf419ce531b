"""What a process has done so far, in numbers."""

from __future__ import annotations

import msgspec

from headwater.runtime.introspect_mailbox import WatchedMailbox, watch_mailbox
from headwater.runtime.pid import Pid
from headwater.runtime.process import Process


class Statistics(msgspec.Struct, frozen=True):
    """A process in numbers.

    Attributes:
        started: when it was started, in seconds of the system's monotonic clock.
        now: the moment of this count, likewise.
        messages_in: how many messages it has taken up since its start.
        messages_out: how many answers it has given since `measure`; None while it isn't measured.
        waiting: how many messages wait.
        oldest: for how many seconds the oldest of them has been waiting; None if none waits, or it isn't measured.
            What waited already when the measuring began counts from then.
        dropped: how many messages its full mailbox refused or dropped.
        expired: how many calls were dropped because their callers had given up.
    """

    started: float
    now: float
    messages_in: int
    messages_out: int | None
    waiting: int
    oldest: float | None
    dropped: int
    expired: int


class AnswerCount:
    """Counts answers."""

    __slots__ = ("answers",)

    def __init__(self) -> None:
        self.answers = 0

    def __call__(self, kind: str, _: object) -> None:
        """Count, if it is one."""
        if kind == "out":
            self.answers += 1


def begin_to_measure(process: Process) -> None:
    """From now on count answers and note when messages come. Harmless when that is so already."""
    watch_mailbox(process)
    if _count_of(process) is None:
        process.add_observer(AnswerCount())


def stop_measuring(process: Process) -> None:
    """Count answers no more."""
    count = _count_of(process)
    if count is not None:
        process.remove_observer(count)


def statistics(pid: Pid[object]) -> Statistics:
    """The process in numbers, at once, however busy it is; also after its end."""
    process = pid.process
    mailbox, count = process.mailbox, _count_of(process)
    return Statistics(
        started=process.started,
        now=process.node.clock.monotonic(),
        messages_in=process.handled,
        messages_out=None if count is None else count.answers,
        waiting=len(mailbox),
        oldest=mailbox.oldest if isinstance(mailbox, WatchedMailbox) else None,
        dropped=mailbox.dropped,
        expired=process.expired,
    )


def _count_of(process: Process) -> AnswerCount | None:
    return next((observer for observer in process.observers if isinstance(observer, AnswerCount)), None)
