"""What supervisors do whose children have an order: start them in it, bring them back, end them in reverse."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import ClassVar, Final, Literal, TypeVar, cast

from headwater.errors import ChildExists, DefinitionError, HeadwaterError, StartFailed
from headwater.runtime.child import Child, ChildCounts, ChildInfo
from headwater.runtime.down import Exited
from headwater.runtime.exits import Exit, Reason, is_abnormal
from headwater.runtime.handlers import Handler
from headwater.runtime.message import NOTHING
from headwater.runtime.reply import Deferred
from headwater.runtime.restart import should_restart
from headwater.runtime.restarting import Restarting
from headwater.runtime.shutdown import end_child
from headwater.runtime.slot import Due, Slot
from headwater.runtime.slots import Slots, count
from headwater.runtime.strategy import OneForOne, Strategy
from headwater.runtime.supervising import log_stray

AutoShutdown = Literal["never", "any_significant", "all_significant"]
"""Whether a supervisor ends itself with reason `shutdown` when one of its significant children, or the last of them,
has ended by itself and doesn't come back."""

AUTO_SHUTDOWNS: Final = ("never", "any_significant", "all_significant")

Answer = TypeVar("Answer")


class OrderedSupervisor(Restarting, adds_methods=True):
    """The part that `Supervisor` and `PartitionSupervisor` share.

    Attributes:
        strategy: whom it restarts, and how often.
        auto_shutdown: whether it ends itself after its significant children.
    """

    strategy: ClassVar[Strategy] = OneForOne()
    auto_shutdown: ClassVar[AutoShutdown] = "never"

    async def _begin(
        self, children: Iterable[Child], strategy: Strategy | None, auto_shutdown: AutoShutdown | None
    ) -> None:
        """Start with these children. If one cannot start, those before it are ended again.

        Raises:
            StartFailed: a child could not start; the message names it, `__cause__` is the reason.
            DefinitionError: two children have the same id, or one is no child for this supervisor.
        """
        self._slots = Slots()
        self._adopt(strategy or self.strategy)
        self._auto_shutdown = _checked(auto_shutdown or self.auto_shutdown)
        for child in children:
            self._add_first(child)
        try:
            for slot in list(self._slots):
                await self._start(slot)
        except BaseException:
            await self._end_all()
            raise

    def which_children(self) -> list[ChildInfo]:
        """The children as they stand now, in the order of their start."""
        return [slot.info() for slot in self._slots]

    def count_children(self) -> ChildCounts:
        """How many children there are."""
        return count(self._slots)

    # --- what it hears ---------------------------------------------------------------------------------------

    async def handle_info(self, message: object) -> None:
        """React to a child's end, or to the end of a wait."""
        if isinstance(message, Due):
            if message.slot.due is message:
                await self._bring_back(message.slot)
        elif isinstance(message, Exited):
            await self._react(message)
        else:
            log_stray(self._cell, message)

    async def _react(self, message: Exited) -> None:
        process = None if message.pid is None else message.pid.process
        slot = None if process is None or process.alive else self._slots.of(process)
        if slot is not None:
            await self._ended(slot, message.reason)

    async def terminate(self, reason: Reason) -> None:
        """End the children, last started first, one at a time."""
        await self._end_all()

    # --- bringing back ---------------------------------------------------------------------------------------

    async def _ended(self, slot: Slot, reason: Reason) -> None:
        slot.vacate(self._now(), self._strategy)
        if is_abnormal(reason):
            self._report("crashed", slot, reason)
        if should_restart(slot.child.restart, reason):
            await self._recover(slot, reason)
            return
        self._drop_if_temporary(slot)
        if slot.child.significant and self._is_over():
            self._report("shut down", slot, reason)
            self.stop(Exit.SHUTDOWN)

    def _is_over(self) -> bool:
        if self._auto_shutdown != "all_significant":
            return self._auto_shutdown == "any_significant"
        return not any(slot.child.significant and slot.state != "stopped" for slot in self._slots)

    async def _recover(self, slot: Slot, reason: Reason) -> None:
        """Count a restart, then begin it."""
        if not self._bears(slot, reason):
            return
        self._report("restarting", slot, reason)
        await self._end_affected(slot)
        if self._strategy.backoff is None:
            await self._bring_back(slot)
        else:
            self._wait(slot)

    async def _bring_back(self, slot: Slot) -> None:
        """Start it, and whoever shares its fate. What fails is tried again, behind the messages that wait."""
        for member in await self._end_affected(slot):
            member.restarts += 1
            try:
                await self._start(member)
            except StartFailed as error:
                self._report("start failed", member, error.__cause__)
                if self._bears(member, error):
                    self._wait(member)
                return

    async def _end_affected(self, slot: Slot) -> Sequence[Slot]:
        """End whoever shares the slot's fate, last started first. Returns those who are to start again, in order."""
        affected = self._strategy.affected(list(self._slots), slot)
        for member in reversed(affected):
            await self._end(member)
            self._drop_if_temporary(member)
        return [member for member in affected if member.child.restart != "temporary"]

    # --- starting and ending ---------------------------------------------------------------------------------

    async def _start(self, slot: Slot) -> None:
        await slot.start(self._cell)
        self._report("started" if slot.process is not None else "ignored", slot)
        if slot.process is None:
            self._drop_if_temporary(slot)

    async def _end_all(self) -> None:
        for slot in reversed(list(self._slots)):
            await self._end(slot)

    async def _end(self, slot: Slot) -> None:
        """End a child, and wait until it has; or end its wait for coming back."""
        slot.cancel_wait()
        process = slot.process
        if process is None:
            return
        ended: asyncio.Future[bool] = self._cell.node.loop.create_future()
        end_child(self._cell, process, slot.child.shutdown, partial(_settle, ended))
        was_late = await ended
        slot.process = None
        if was_late:
            self._report("killed", slot, Exit.KILLED)

    def _add_first(self, child: Child) -> None:
        try:
            self._add(child)
        except ChildExists:
            raise DefinitionError(f"two children have the id {child.id!r}; give one of them another") from None

    def _add(self, child: Child) -> Slot:
        if not isinstance(child, Child):
            raise DefinitionError(f"a supervisor's children are described by Child, not by {child!r}")
        if child.significant and self._auto_shutdown == "never":
            raise DefinitionError(f"child {child.id!r} is significant, but its supervisor never shuts down for that")
        slot = Slot(child)
        self._slots.add(slot)
        return slot

    def _drop_if_temporary(self, slot: Slot) -> None:
        if slot.child.restart == "temporary":
            self._slots.remove(slot)

    # --- answering -------------------------------------------------------------------------------------------

    def _answer(self, work: Callable[[], Coroutine[object, object, Answer]]) -> Deferred[Answer]:
        """Do some work before the next message. What it returns or raises is the answer; the supervisor lives on."""
        deferred = cast("Deferred[Answer]", self._cell.defer())
        self._cell.continue_with((_WORK, (work, deferred), NOTHING, None))
        return deferred

    async def _work(self, work: Callable[[], Coroutine[object, object, object]], deferred: Deferred[object]) -> None:
        try:
            deferred.reply(await work())
        except HeadwaterError as error:
            deferred.fail(error)


_WORK: Final = Handler("work", OrderedSupervisor._work)  # noqa: SLF001 - run in its own process only


def _settle(ended: asyncio.Future[bool], _: Reason, was_late: bool) -> None:
    if not ended.done():
        ended.set_result(was_late)


def _checked(auto_shutdown: AutoShutdown) -> AutoShutdown:
    if auto_shutdown not in AUTO_SHUTDOWNS:
        raise DefinitionError(f"auto_shutdown is one of {', '.join(AUTO_SHUTDOWNS)}, not {auto_shutdown!r}")
    return auto_shutdown
