"""DynamicSupervisor: any number of children, started on demand."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import ClassVar, Final, TypeVar, cast

from headwater.errors import ChildLimit, ChildUnknown, DefinitionError, StartFailed, WrongArguments
from headwater.runtime.child import Child, ChildCounts, ChildInfo
from headwater.runtime.child_start import ChildStart
from headwater.runtime.down import Exited
from headwater.runtime.eager import begin
from headwater.runtime.exits import Reason, is_abnormal
from headwater.runtime.farewell import Farewell
from headwater.runtime.genserver import GenServer
from headwater.runtime.pid import Pid
from headwater.runtime.process import Process
from headwater.runtime.reply import Deferred
from headwater.runtime.restart import should_restart
from headwater.runtime.restarting import Restarting
from headwater.runtime.shutdown import end_child
from headwater.runtime.slot import Due, Slot
from headwater.runtime.strategy import OneForOne
from headwater.runtime.supervising import log_stray

ServerT = TypeVar("ServerT", bound=GenServer)

ENDS_AT_ONCE: Final = 1_000
"""How many children are told to end before the event loop has a turn."""


class DynamicSupervisor(Restarting, adds_methods=True):
    """A supervisor whose children are started one by one, as they are needed, and have no order and no ids.

        workers = await system.start(DynamicSupervisor, max_children=10_000, name="workers")
        worker = await workers.call(DynamicSupervisor.start_child, Child(Worker, 5, restart="temporary"))

    A child whose `init` takes long holds up nobody else: meanwhile others start and end. When the supervisor ends, it
    ends all children at the same time, and waits for the last. No operation but `which_children` looks at all of them.

    Attributes:
        strategy: how many restarts it bears; the strategy is always one for one.
        max_children: how many children it may have, those that are starting included; None sets no limit.
        extra_arguments: given to each child's `init` before its own arguments.
    """

    strategy: ClassVar[OneForOne] = OneForOne()
    max_children: ClassVar[int | None] = None
    extra_arguments: ClassVar[tuple[object, ...]] = ()

    def init(
        self,
        *,
        strategy: OneForOne | None = None,
        max_children: int | None = None,
        extra_arguments: tuple[object, ...] | None = None,
    ) -> None:
        """Begin without children. The parameters stand in for the class's attributes of the same names.

        Raises:
            DefinitionError: another strategy than one for one, or a limit below 0.
        """
        self._adopt(strategy or self.strategy)
        self._limit = self.max_children if max_children is None else max_children
        if not isinstance(self._strategy, OneForOne):
            raise DefinitionError("a DynamicSupervisor's children have no order: its strategy is OneForOne")
        if self._limit is not None and self._limit < 0:
            raise DefinitionError(f"max_children is 0 or more, or None for no limit, not {self._limit}")
        self._extra = self.extra_arguments if extra_arguments is None else extra_arguments
        self._slots: dict[Process, Slot] = {}  # by the process that stands there, or that stood there last
        self._starts: dict[Slot, ChildStart] = {}
        self._leaving: dict[Slot, list[Deferred[None]]] = {}
        self._places = 0  # taken by children, those included whose first start is under way
        self._active = 0
        self._supervisors = 0

    # --- what it is asked ------------------------------------------------------------------------------------

    def start_child(self, child: Child[ServerT]) -> Deferred[Pid[ServerT] | None]:
        """Start a child. The answer is its address; None if its `init` ignored the start.

        If the caller gives up waiting, the child is started all the same.

        Raises:
            ChildLimit: there are `max_children` already.
            StartFailed: it could not start.
            DefinitionError: it is no `Child`, or a significant one.
        """
        deferred = cast("Deferred[Pid[ServerT] | None]", self._cell.defer())
        problem = self._problem(child)
        if problem is None:
            self._begin(Slot(child), cast("Deferred[Pid[object] | None]", deferred))
        else:
            deferred.fail(problem)
        return deferred

    def terminate_child(self, pid: Pid[object]) -> Deferred[None]:
        """End a child, which then doesn't come back. Answered when it has ended; others are served meanwhile.

        Args:
            pid: its address, or the one that it had before it ended, if it is about to be restarted.

        Raises:
            ChildUnknown: it is no child of this supervisor.
            WrongArguments: it is no address.
        """
        deferred = self.defer(type(None))
        given: object = pid
        if not isinstance(given, Pid):
            deferred.fail(WrongArguments(f"a child of a DynamicSupervisor is named by its address, not by {given!r}"))
            return deferred
        slot = self._slots.get(pid.process)
        if slot is None:
            deferred.fail(ChildUnknown(f"{pid.label} is no child of {self._cell.label}"))
        elif slot.process is None:
            self._cancel(slot)
            self._drop(slot)
            deferred.reply(None)
        else:
            self._end(slot, slot.process, deferred)
        return deferred

    def which_children(self) -> list[ChildInfo]:
        """The children that have started, as they stand now; the oldest process first."""
        return [slot.info() for slot in self._slots.values()]

    def count_children(self) -> ChildCounts:
        """How many children there are; those whose first start is under way don't count yet."""
        specs, supervisors = len(self._slots), self._supervisors
        return ChildCounts(specs=specs, active=self._active, supervisors=supervisors, workers=specs - supervisors)

    def _problem(self, child: object) -> Exception | None:
        if not isinstance(child, Child):
            return DefinitionError(f"a supervisor's children are described by Child, not by {child!r}")
        if child.significant:
            return DefinitionError(f"child {child.id!r} is significant, but its supervisor never shuts down for that")
        if self._limit is not None and self._places >= self._limit:
            return ChildLimit(f"{self._cell.label} has {self._places} children, and may have no more")
        return None

    # --- what it hears ---------------------------------------------------------------------------------------

    def handle_info(self, message: object) -> None:
        """React to a child's start or end, or to the end of a wait."""
        match message:
            case Exited():
                self._react(message)
            case ChildStart():
                self._started(message)
            case Due():
                if message.slot.due is message:
                    self._restart(message.slot)
            case _:
                log_stray(self._cell, message)

    def _react(self, message: Exited) -> None:
        process = None if message.pid is None else message.pid.process
        slot = None if process is None or process.alive else self._slots.get(process)
        if slot is not None and slot.process is process:
            self._ended(slot, message.reason)

    async def terminate(self, reason: Reason) -> None:
        """End all children at the same time, and wait for the last."""
        await self._cancel_starts()
        farewell = Farewell(self._cell.node.loop.create_future())
        for number, slot in enumerate(dict.fromkeys([*self._slots.values(), *self._starts]), 1):
            slot.cancel_wait()
            if slot.process is not None:
                self._dismiss(slot, slot.process, farewell)
            if number % ENDS_AT_ONCE == 0:
                await asyncio.sleep(0)
        await farewell.wait()

    # --- starting --------------------------------------------------------------------------------------------

    def _begin(self, slot: Slot, deferred: Deferred[Pid[object] | None]) -> None:
        """Start a new child. It takes a place until it is gone for good, or if it doesn't come up."""
        self._places += 1
        self._start(ChildStart(slot, deferred))

    def _free(self, slot: Slot) -> None:
        """A child is gone for good, or didn't come up: its place is free."""
        self._places -= 1

    def _start(self, start: ChildStart) -> None:
        """Start a child: at once if its `init` doesn't wait, else beside everything else."""
        self._starts[start.slot] = start
        start.task = begin(self._cell.node.loop, self._attempt(start))
        if start.task is None:
            self._started(start)
        else:
            start.task.add_done_callback(lambda task: None if task.cancelled() else self._cell.inform(start))

    async def _attempt(self, start: ChildStart) -> None:
        try:
            await start.slot.start(self._cell, self._extra)
        except StartFailed as error:
            start.error = error

    def _started(self, start: ChildStart) -> None:
        slot = start.slot
        if self._starts.pop(slot, None) is not start:
            return  # it was given up when it had failed already
        if start.error is not None:
            self._start_failed(start, start.error)
            return
        self._leave_place(slot, start.before)
        self._report("started" if slot.process is not None else "ignored", slot)
        if slot.process is None:
            self._free(slot)
        else:
            self._enter(slot, slot.process)
        if start.deferred is not None:
            start.deferred.reply(slot.pid)

    def _start_failed(self, start: ChildStart, error: StartFailed) -> None:
        self._report("start failed", start.slot, error.__cause__)
        if start.deferred is not None:
            self._free(start.slot)
            start.deferred.fail(error)
        elif self._bears(start.slot, error):
            self._wait(start.slot)

    def _enter(self, slot: Slot, process: Process) -> None:
        self._slots[process] = slot
        self._active += 1
        self._supervisors += slot.child.kind == "supervisor"
        if process.reason is not None:
            self._ended(slot, process.reason)  # its exit signal came when nobody here knew it yet

    def _leave_place(self, slot: Slot, process: Process | None) -> None:
        if process is not None:
            del self._slots[process]
            self._supervisors -= slot.child.kind == "supervisor"

    # --- ending ----------------------------------------------------------------------------------------------

    def _ended(self, slot: Slot, reason: Reason) -> None:
        self._active -= 1
        slot.vacate(self._now(), self._strategy)
        if slot in self._leaving:
            for deferred in self._leaving.pop(slot):
                deferred.reply(None)
            self._drop(slot)
            return
        if is_abnormal(reason):
            self._report("crashed", slot, reason)
        if should_restart(slot.child.restart, reason):
            self._recover(slot, reason)
        else:
            self._drop(slot)

    def _recover(self, slot: Slot, reason: Reason) -> None:
        if not self._bears(slot, reason):
            return
        self._report("restarting", slot, reason)
        if self._strategy.backoff is None:
            self._restart(slot)
        else:
            self._wait(slot)

    def _restart(self, slot: Slot) -> None:
        slot.due = None
        slot.restarts += 1
        self._start(ChildStart(slot, None))

    def _drop(self, slot: Slot) -> None:
        self._leave_place(slot, slot.last)
        self._free(slot)

    def _cancel(self, slot: Slot) -> None:
        slot.cancel_wait()
        start = self._starts.pop(slot, None)
        if start is not None:
            start.cancel()

    async def _cancel_starts(self) -> None:
        for start in self._starts.values():
            start.cancel()
        await asyncio.gather(*(start.task for start in self._starts.values() if start.task), return_exceptions=True)

    def _end(self, slot: Slot, process: Process, deferred: Deferred[None]) -> None:
        if slot in self._leaving:
            self._leaving[slot].append(deferred)
            return
        self._leaving[slot] = [deferred]
        end_child(self._cell, process, slot.child.shutdown, partial(self._left, slot, process))

    def _left(self, slot: Slot, process: Process, reason: Reason, was_late: bool) -> None:
        if was_late:
            self._report("killed", slot, reason)
        self._cell.inform(Exited(Pid(process), reason))  # it may have cut the link

    def _dismiss(self, slot: Slot, process: Process, farewell: Farewell) -> None:
        """Begin to end a child. It need not send an exit signal any more: nobody would handle it."""
        self._cell.unlink(process)
        farewell.left += 1
        end_child(self._cell, process, slot.child.shutdown, partial(self._dismissed, slot, farewell))

    def _dismissed(self, slot: Slot, farewell: Farewell, reason: Reason, was_late: bool) -> None:
        if was_late:
            self._report("killed", slot, reason)
        farewell.one_less()
