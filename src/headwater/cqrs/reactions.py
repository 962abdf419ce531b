"""Process managers and timers of one application, as a tree of processes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final
from uuid import UUID

from headwater.clock import Clock
from headwater.cqrs.command_codec import CommandCodec
from headwater.cqrs.committed import Committed
from headwater.cqrs.dispatch import Dispatcher, Terms
from headwater.cqrs.envelope import Envelope
from headwater.cqrs.failure import Parking
from headwater.cqrs.manager_instance import ManagerInstance
from headwater.cqrs.manager_letter import MANAGER_LETTER_EVENTS
from headwater.cqrs.manager_letter_box import DurableParking, ManagerLetterBox
from headwater.cqrs.manager_log import last_step
from headwater.cqrs.manager_process import ManagerProcess
from headwater.cqrs.manager_status import InstanceStatus, ManagerStatus, status_of
from headwater.cqrs.manager_step import StepTaken
from headwater.cqrs.outgoing import Outgoing
from headwater.cqrs.process_manager import ProcessManager
from headwater.cqrs.scheduling import Scheduling
from headwater.cqrs.surroundings import Surroundings
from headwater.cqrs.timer_events import TIMER_EVENTS
from headwater.cqrs.timers import TIMERS, Timers
from headwater.errors import (
    DeadlineExceeded,
    DefinitionError,
    NameUnknown,
    ProcessDown,
    UnknownProcessManager,
    one_of,
)
from headwater.runtime.backoff import Backoff
from headwater.runtime.child import Child
from headwater.runtime.dynamic_supervisor import DynamicSupervisor
from headwater.runtime.exits import Exit
from headwater.runtime.pid import Pid
from headwater.runtime.strategy import OneForAll, OneForOne
from headwater.runtime.supervisor import Supervisor
from headwater.runtime.system import System
from headwater.sourcing.messages import Command, Event
from headwater.store.store import EventStore
from headwater.types import IdSource

DRAIN: Final = 15.0
"""Seconds that process managers and timers may take to end what they are doing when the application ends."""

_ONE: Final = OneForOne(max_restarts=1_000, within=5.0, backoff=Backoff(0.01, 1.0))
_ALL: Final = OneForAll(max_restarts=1_000, within=5.0, backoff=Backoff(0.01, 1.0))


class Reactions:
    """What an application does by itself: process managers, and commands for later.

    Args:
        managers: the process managers.
        commands: the classes of the application's commands.
        categories: what the names of its aggregates' streams begin with.
        parking: where failures are left; as dead letters in the log if not given.
        handlers: the names of its event handlers.

    Raises:
        DefinitionError: two process managers have the same name, or one has that of an aggregate or of a handler; or
            one waits for the end of a command that nobody decides.
    """

    def __init__(
        self,
        managers: Sequence[type[ProcessManager]],
        commands: Collection[type[Command]],
        categories: Iterable[str],
        parking: Parking | None = None,
        handlers: Collection[str] = (),
    ) -> None:
        self._managers: Final[dict[str, type[ProcessManager]]] = {}
        taken = set(categories)
        for manager in managers:
            other = self._managers.setdefault(manager.category, manager)
            if other is not manager or manager.category in taken:
                raise DefinitionError(
                    f"process manager {manager.__qualname__} is called {manager.category!r}, as "
                    f"{'an aggregate' if other is manager else other.__qualname__} is: their streams would mix"
                )
            if manager.category in handlers:
                raise DefinitionError(
                    f"process manager {manager.__qualname__} is called {manager.category!r}, as a handler is: their "
                    "dead letters would mix"
                )
        self._commands: Final = CommandCodec(commands)
        for manager in managers:
            _check_answers(manager, commands)
        self._parking: Final = parking
        self._boxes: dict[str, ManagerLetterBox] = {}
        self._system: System | None = None
        self._root: Pid[Supervisor] | None = None

    def events(self) -> tuple[type[Event], ...]:
        """The events that they follow, and those that they store themselves."""
        followed = [event for manager in self._managers.values() for event in manager.events()]
        return (*followed, StepTaken, *TIMER_EVENTS, *MANAGER_LETTER_EVENTS)

    # --- running ---------------------------------------------------------------------------------------------

    async def start(self, system: System, store: EventStore, dispatcher: Dispatcher, clock: Clock) -> Scheduling:
        """Start the processes. Returns what schedules commands.

        Args:
            system: where they live.
            store: the log.
            dispatcher: has commands decided.
            clock: where the time comes from.
        """
        self._boxes = {
            name: ManagerLetterBox(store, name, partial(self._replay, manager))
            for name, manager in self._managers.items()
        }
        surroundings = Surroundings(
            store,
            self._commands,
            partial(_dispatch, dispatcher),
            clock,
            system.rng,
            self._parking or DurableParking(self._boxes),
            partial(_wake, system),
        )
        timers = Child(Timers, surroundings, name=TIMERS)
        managers = [_tree(system, manager, surroundings) for manager in self._managers.values()]
        self._system = system
        self._root = await system.start(Supervisor, [timers, *managers], strategy=_ONE, name="reactions")
        return Scheduling(surroundings, IdSource(clock.wall), system.named(Timers, TIMERS))

    async def stop(self) -> None:
        """End the processes: each ends what it is doing, and begins nothing more."""
        root, self._root, self._system = self._root, None, None
        if root is not None and root.alive:
            try:
                await root.stop(Exit.SHUTDOWN, DRAIN)
            except DeadlineExceeded:
                root.kill()
            except ProcessDown:
                pass  # it ended for another reason, and that was reported

    # --- what they are asked ---------------------------------------------------------------------------------

    async def statuses(self) -> list[ManagerStatus]:
        """How each is doing, in the order in which they were given."""
        return [await self._process(manager).call(ManagerProcess.status) for manager in self._managers.values()]

    async def instance(self, store: EventStore, manager: type[ProcessManager], id: str) -> InstanceStatus | None:  # noqa: A002
        """How an instance is doing; None if there never was one."""
        self._check(manager)
        step, _ = await last_step(store, manager.stream_of(id))
        return None if step is None else status_of(step)

    async def resume(self, manager: type[ProcessManager], id: str) -> bool:  # noqa: A002 - the field's term
        """Let an instance go on that a failure has stopped."""
        self._check(manager)
        return await self._process(manager).within(None).call(ManagerProcess.resume, id)

    @property
    def managers(self) -> tuple[type[ProcessManager], ...]:
        """The process managers, in the order in which they were given."""
        return tuple(self._managers.values())

    def box(self, manager: type[ProcessManager]) -> ManagerLetterBox:
        """The dead letters of a process manager."""
        self._check(manager)
        if self._system is None:
            raise UnknownProcessManager("the application's process managers don't run")
        return self._boxes[manager.category]

    async def _replay(self, manager: type[ProcessManager], instance: str, outgoing: Outgoing) -> None:
        pid = await self._process(manager).call(ManagerProcess.instance, instance)
        error = await pid.within(None).call(ManagerInstance.replay, outgoing)
        if error is not None:
            raise error

    def _check(self, manager: type[ProcessManager]) -> None:
        if self._managers.get(manager.category) is not manager:
            raise UnknownProcessManager(
                f"{manager.__qualname__} is no process manager of this application; known: "
                f"{one_of(sorted(self._managers))}"
            )

    def _process(self, manager: type[ProcessManager]) -> Pid[ManagerProcess]:
        if self._system is None:
            raise UnknownProcessManager("the application's process managers don't run")
        return self._system.named(ManagerProcess, _name(manager))


def _tree(system: System, manager: type[ProcessManager], surroundings: Surroundings) -> Child:
    """A process manager and its instances: none of them can do without the others."""
    instances = f"instances of {manager.category}"
    find: Callable[[], Pid[DynamicSupervisor]] = partial(system.named, DynamicSupervisor, instances)
    children = [
        Child(DynamicSupervisor, name=instances, shutdown=DRAIN),
        Child(ManagerProcess, manager, surroundings, find, name=_name(manager)),
    ]
    return Child(Supervisor, children, id=_name(manager), shutdown=DRAIN, keywords={"strategy": _ALL})


def _name(manager: type[ProcessManager]) -> str:
    return f"process manager {manager.category}"


def _check_answers(manager: type[ProcessManager], known: Collection[type[Command]]) -> None:
    for command in manager.answered_commands():
        if command not in known:
            raise DefinitionError(
                f"{manager.__qualname__} has a method for how {command.__qualname__} ends, a command that no aggregate "
                f"decides; known: {one_of(sorted(one.__qualname__ for one in known))}"
            )


def _wake(system: System) -> None:
    with suppress(NameUnknown):  # it is being restarted, and reads the log then
        system.named(Timers, TIMERS).cast(Timers.wake)


async def _dispatch(
    dispatcher: Dispatcher,
    command: Command,
    *,
    id: UUID,  # noqa: A002 - the field's term
    correlation: UUID | None,
    metadata: Mapping[str, object] | None,
    timeout: float,
) -> Committed:
    return await dispatcher.dispatch(Envelope(command, metadata, id, correlation), Terms(timeout))
