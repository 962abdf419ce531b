"""Supervisors: they start processes, watch them, and bring them back."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import ClassVar, Final

import msgspec

from headwater.errors import DeadlineExceeded, DefinitionError, StartFailed
from headwater.runtime.down import Exited
from headwater.runtime.exits import Exit, Reason, describe
from headwater.runtime.genserver import GenServer, is_server
from headwater.runtime.pid import Pid
from headwater.runtime.process import Process
from headwater.runtime.restart import RESTARTS, OneForOne, Restart, RestartIntensity, should_restart
from headwater.runtime.spawn import spawn

_log: Final = logging.getLogger("headwater.supervisor")


class Child:
    """What a supervisor needs to know to start a process, and to start it again.

    Args:
        server: the process's class.
        arguments: for its `init`, each time it starts.
        id: what the supervisor knows it by; its name, or its class's name, if not given.
        name: the process's name in the system, or None.
        restart: `permanent`, `transient` or `temporary`.
        shutdown: seconds that it may take to end when asked; then it is killed. None waits for ever.
        capacity: how many messages may wait in its mailbox; as its class says, if not given.

    Raises:
        DefinitionError: one of them is not what it should be.
    """

    __slots__ = ("arguments", "capacity", "id", "name", "restart", "server", "shutdown")

    def __init__(
        self,
        server: type[GenServer],
        *arguments: object,
        id: str | None = None,  # noqa: A002 - the field's term
        name: str | None = None,
        restart: Restart = "permanent",
        shutdown: float | None = 5.0,
        capacity: int | None = None,
    ) -> None:
        if not is_server(server):
            raise DefinitionError(f"a child is a subclass of GenServer, not {server!r}")
        if restart not in RESTARTS:
            raise DefinitionError(f"restart is one of {', '.join(RESTARTS)}, not {restart!r}")
        if shutdown is not None and not shutdown > 0:
            raise DefinitionError(f"shutdown is a positive number of seconds, or None for ever, not {shutdown}")
        self.server = server
        self.arguments = arguments
        self.id = id or name or server.__qualname__
        self.name = name
        self.restart = restart
        self.shutdown = shutdown
        self.capacity = capacity


class ChildInfo(msgspec.Struct, frozen=True):
    """A child as it stands now.

    Attributes:
        id: what the supervisor knows it by.
        pid: its address, or None when it has ended and does not come back.
        restart: its type.
        restarts: how often it was brought back.
    """

    id: str
    pid: Pid[object] | None
    restart: Restart
    restarts: int


class _Slot:
    """One child: how to start it, and the process that stands there now."""

    __slots__ = ("child", "process", "restarts")

    def __init__(self, child: Child) -> None:
        self.child = child
        self.process: Process | None = None
        self.restarts = 0


class Supervisor(GenServer):
    """A process that starts others in order, brings them back, and ends them in reverse order.

        class Bank(Supervisor):
            strategy = OneForOne(max_restarts=3, within=5.0)

            def children(self) -> Iterable[Child]:
                yield Child(Ledger, name="ledger")
                yield Child(Reporter, restart="transient", shutdown=2.0)

    `children` is asked once, when the supervisor starts; no other code of yours runs in it, so none can break
    it. A child that cannot be restarted is tried again at once; each try counts. When more restarts are needed
    than the strategy bears, the supervisor ends its children and itself with reason `shutdown`, and its own
    supervisor decides.
    """

    trap_exit = True
    strategy: ClassVar[OneForOne] = OneForOne()

    def children(self) -> Iterable[Child]:
        """The children, in the order in which they are to start. Each waits for the one before it."""
        return ()

    async def init(self, children: Sequence[Child] | None = None) -> None:
        """Start the children. If one cannot start, those before it are ended again.

        Args:
            children: instead of what `children` gives.

        Raises:
            StartFailed: a child could not start.
            DefinitionError: two children have the same id.
        """
        self._slots: dict[str, _Slot] = {}
        self._intensity = RestartIntensity(self.strategy)
        for child in self.children() if children is None else children:
            if child.id in self._slots:
                raise DefinitionError(f"two children have the id {child.id!r}; give one of them another")
            self._slots[child.id] = _Slot(child)
        try:
            for slot in self._slots.values():
                await self._start(slot)
        except BaseException:
            await self._end_children()
            raise

    def which_children(self) -> list[ChildInfo]:
        """The children as they stand now, in the order of their start."""
        return [
            ChildInfo(
                id=slot.child.id,
                pid=None if slot.process is None else Pid(slot.process),
                restart=slot.child.restart,
                restarts=slot.restarts,
            )
            for slot in self._slots.values()
        ]

    async def handle_info(self, message: object) -> None:
        """React to a child's end."""
        if not isinstance(message, Exited):
            _log.error("%s got a message that is none of its business: %r", self._cell.label, message)
            return
        slot = self._slot_of(message.pid)
        if slot is None:
            return
        slot.process = None
        if should_restart(slot.child.restart, message.reason):
            await self._restart(slot, message.reason)
        elif slot.child.restart == "temporary":
            del self._slots[slot.child.id]

    async def terminate(self, reason: Reason) -> None:
        """End the children, last started first, one at a time."""
        await self._end_children()

    async def _start(self, slot: _Slot) -> None:
        child = slot.child
        slot.process = await spawn(
            self._cell.node,
            child.server,
            child.arguments,
            {},
            name=child.name,
            capacity=child.capacity,
            parent=self._cell,
        )

    def _slot_of(self, pid: Pid[object] | None) -> _Slot | None:
        found = (slot for slot in self._slots.values() if pid is not None and slot.process is pid.process)
        return next(found, None)

    async def _restart(self, slot: _Slot, reason: Reason) -> None:
        node = self._cell.node
        while self._intensity.allows(node.clock.monotonic()):
            slot.restarts += 1
            _log.warning("%s restarts %s, which ended: %s", self._cell.label, slot.child.id, describe(reason))
            try:
                await self._start(slot)
            except StartFailed as error:
                reason = error
            else:
                return
        _log.error(
            "%s gives up: more than %d restarts within %s s; last: %s ended: %s",
            self._cell.label,
            self.strategy.max_restarts,
            self.strategy.within,
            slot.child.id,
            describe(reason),
        )
        self.stop(Exit.SHUTDOWN)

    async def _end_children(self) -> None:
        for slot in reversed(self._slots.values()):
            process, slot.process = slot.process, None
            if process is not None:
                await self._end(Pid(process), slot.child.shutdown)

    async def _end(self, pid: Pid[object], shutdown: float | None) -> None:
        self.exit(pid, Exit.SHUTDOWN)
        try:
            await pid.wait(shutdown)
        except DeadlineExceeded:
            pid.kill()
