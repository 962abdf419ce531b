"""Supervisors: they start processes, watch them, and bring them back."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, TypeVar, cast

from headwater.errors import ChildRunning, StartFailed
from headwater.runtime.child import Child
from headwater.runtime.genserver import GenServer
from headwater.runtime.ordered_supervisor import AutoShutdown, OrderedSupervisor
from headwater.runtime.pid import Pid
from headwater.runtime.reply import Deferred
from headwater.runtime.slot import Slot
from headwater.runtime.strategy import Strategy

ServerT = TypeVar("ServerT", bound=GenServer)


class Supervisor(OrderedSupervisor, adds_methods=True):
    """A process that starts others in order, brings them back, and ends them in reverse order.

        class Bank(Supervisor):
            strategy = OneForOne(max_restarts=3, within=5.0)

            def children(self) -> Iterable[Child]:
                yield Child(Ledger, name="ledger")
                yield Child(Reporter, restart="transient", shutdown=2.0)

    `children` is asked once, when the supervisor starts; no other code of yours runs in it, so none can break
    it. Without a subclass, give the children at the start: `system.start(Supervisor, [Child(Ledger)])`.

    A child that cannot be restarted is tried again, at once or after its back-off; each try counts. When more
    restarts are needed than the strategy bears, the supervisor ends its children and itself with reason `shutdown`,
    and its own supervisor decides. While it starts or ends a child it does nothing else, so give a child whose
    `init` may hang a `timeout`.
    """

    def children(self, *arguments: Any, **keywords: Any) -> Iterable[Child]:  # noqa: ANN401 - for overrides, as `init`
        """The children, in the order in which they are to start. Each waits for the one before it.

        Args:
            arguments: what the supervisor was started with. Without an override it is one iterable of children.
            keywords: likewise.
        """
        return cast("Iterable[Child]", arguments[0]) if arguments else ()

    async def init(
        self,
        *arguments: object,
        strategy: Strategy | None = None,
        auto_shutdown: AutoShutdown | None = None,
        **keywords: object,
    ) -> None:
        """Start the children. If one cannot start, those before it are ended again.

        Args:
            arguments: for `children`.
            strategy: instead of the class's.
            auto_shutdown: instead of the class's.
            keywords: for `children`.

        Raises:
            StartFailed: a child could not start; the message names it, `__cause__` is the reason.
            DefinitionError: two children have the same id, or one can't be a child of this supervisor.
        """
        await self._begin(self.children(*arguments, **keywords), strategy, auto_shutdown)

    def start_child(self, child: Child[ServerT]) -> Deferred[Pid[ServerT] | None]:
        """Start one more child, behind the others. The answer is its address; None if its `init` ignored the start.

        Raises:
            ChildExists: there is a child of this id.
            StartFailed: it could not start. It is no child of this supervisor then.
            DefinitionError: it can't be a child of this supervisor.
        """
        return self._answer(partial(self._start_child, child))

    def terminate_child(self, child: str) -> Deferred[None]:
        """End a child, which doesn't come back by itself. It stays a child, for `restart_child`, if not temporary.

        Args:
            child: its id.

        Raises:
            ChildUnknown: there is none of this id.
        """
        return self._answer(partial(self._terminate_child, child))

    def restart_child(self, child: str) -> Deferred[Pid[object] | None]:
        """Start a child that has ended. The answer is its address; None if its `init` ignored the start.

        Args:
            child: its id.

        Raises:
            ChildUnknown: there is none of this id.
            ChildRunning: it runs, or is about to be restarted.
            StartFailed: it could not start. It stays as it was.
        """
        return self._answer(partial(self._restart_child, child))

    def delete_child(self, child: str) -> Deferred[None]:
        """Forget a child that has ended.

        Args:
            child: its id.

        Raises:
            ChildUnknown: there is none of this id.
            ChildRunning: it runs, or is about to be restarted; end it first.
        """
        return self._answer(partial(self._delete_child, child))

    async def _start_child(self, child: Child[ServerT]) -> Pid[ServerT] | None:
        slot = self._add(child)
        try:
            await self._start(slot)
        except StartFailed:
            self._slots.remove(slot)
            raise
        return cast("Pid[ServerT] | None", slot.pid)

    async def _terminate_child(self, child: str) -> None:
        slot = self._slots.get(child)
        await self._end(slot)
        self._drop_if_temporary(slot)

    async def _restart_child(self, child: str) -> Pid[object] | None:
        slot = self._at_rest(child)
        await self._start(slot)
        return slot.pid

    async def _delete_child(self, child: str) -> None:
        self._slots.remove(self._at_rest(child))

    def _at_rest(self, child: str) -> Slot:
        slot = self._slots.get(child)
        if slot.state != "stopped":
            raise ChildRunning(f"child {child!r} is {slot.state}")
        return slot
