"""How a process manager, or one of its instances, is doing: values."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import msgspec

from headwater.cqrs.manager_step import StepTaken
from headwater.types import Position


class ManagerStatus(msgspec.Struct, frozen=True):
    """How a process manager is doing.

    Attributes:
        name: its name.
        position: everything up to there is done; it is written down about once a second.
        live: how many of its instances are in memory.
        outstanding: how many events are being handled, or wait.
        failure: what has stopped all of it: an event of which it can't be told for which instance it is. None if it
            works. It tries again when the application starts the next time.
    """

    name: str
    position: Position
    live: int
    outstanding: int
    failure: str | None = None


class InstanceStatus(msgspec.Struct, frozen=True):
    """How an instance of a process manager is doing, as the log has it.

    Attributes:
        manager: the process manager's name.
        id: which instance.
        running: whether it has started and not stopped.
        position: the position of the last event that it has handled.
        state: its attributes.
        pending: the type names of the commands that wait to be dispatched, in their order.
        timers: its timers that run, by their names.
        failure: what has stopped it, so that it waits for `Application.resume`; None if it works.
    """

    manager: str
    id: str
    running: bool
    position: Position
    state: Mapping[str, object]
    pending: tuple[str, ...]
    timers: Mapping[str, UUID]
    failure: str | None


def status_of(step: StepTaken) -> InstanceStatus:
    """What a step tells of its instance."""
    return InstanceStatus(
        manager=step.manager,
        id=step.instance,
        running=step.running,
        position=Position(step.source),
        state=msgspec.json.decode(step.state, type=dict[str, object]),
        pending=tuple(outgoing.command.type for outgoing in step.pending),
        timers={timer.name: timer.id for timer in step.timers},
        failure=step.failure,
    )
