"""What the log knows of timers. Each timer has a stream of its own: scheduled, then cancelled, or fired and settled."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from headwater.cqrs.command_codec import StoredCommand
from headwater.sourcing.messages import Event


def timer_stream(id: UUID) -> str:  # noqa: A002 - the field's term
    """The name of the stream that belongs to a timer."""
    return f"headwater.timer-{id}"


class TimerScheduled(Event, name="headwater.timer.scheduled"):
    """A command is to be dispatched, or a process manager to be told, when a moment has come.

    Attributes:
        id: which timer; also the identifier of the command.
        at: the moment, in microseconds since 1970-01-01 UTC.
        command: what to dispatch; None for a process manager's timer.
        manager: whose timer it is; None for a command's.
        instance: of which instance.
        timer: what the instance calls it.
    """

    id: UUID
    at: int
    command: StoredCommand | None = None
    manager: str | None = None
    instance: str | None = None
    timer: str | None = None


class TimerCancelled(Event, name="headwater.timer.cancelled"):
    """It will not fire any more.

    Attributes:
        id: which timer.
    """

    id: UUID


class TimerFired(Event, name="headwater.timer.fired", tags=("manager",)):
    """Its moment has come, and it can't be cancelled any more. A process manager handles this event.

    Attributes:
        id: which timer.
        manager: see `TimerScheduled`.
        instance: see `TimerScheduled`.
        timer: see `TimerScheduled`.
    """

    id: UUID
    manager: str | None = None
    instance: str | None = None
    timer: str | None = None


class TimerSettled(Event, name="headwater.timer.settled"):
    """Its command was dispatched.

    Attributes:
        id: which timer.
        error: why the command had no effect; None if it had one.
    """

    id: UUID
    error: str | None = None


TimerEvent = TimerScheduled | TimerCancelled | TimerFired | TimerSettled

TIMER_EVENTS: Final = (TimerScheduled, TimerCancelled, TimerFired, TimerSettled)
