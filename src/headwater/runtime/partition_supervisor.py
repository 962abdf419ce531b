"""PartitionSupervisor: one job, spread by key over several processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar, cast

from headwater.errors import DefinitionError, NameUnknown, StartFailed
from headwater.runtime.child import Child
from headwater.runtime.genserver import GenServer
from headwater.runtime.ordered_supervisor import OrderedSupervisor
from headwater.runtime.partitions import Partitions
from headwater.runtime.pid import Pid
from headwater.runtime.reply import Deferred
from headwater.runtime.slot import Slot
from headwater.runtime.strategy import OneForOne

ServerT = TypeVar("ServerT", bound=GenServer)

WithArguments = Callable[[tuple[object, ...], int], Iterable[object]]
"""Makes a partition's arguments from the child's own arguments and the partition's number."""


class PartitionSupervisor(OrderedSupervisor, adds_methods=True):
    """A supervisor of equal processes, among which keys are divided.

        counters = await system.start(PartitionSupervisor, Child(Counter), partitions=8)
        routes = await counters.call(PartitionSupervisor.routes, Counter)
        await routes.via("user-7").call(Counter.increment)

    A key belongs to the same partition as long as the number of partitions stays; see `partitions.partition_of`.
    The children's ids are "0", "1" and so on.
    """

    async def init(
        self,
        child: Child[GenServer],
        *,
        partitions: int | None = None,
        with_arguments: WithArguments | None = None,
        strategy: OneForOne | None = None,
    ) -> None:
        """Start the partitions.

        Args:
            child: what each of them is.
            partitions: how many; as many as there are processors, if not given.
            with_arguments: makes the arguments of each; the child's own, if not given. Asked at the start only.
            strategy: instead of the class's.

        Raises:
            StartFailed: a partition could not start; those before it are ended again.
            DefinitionError: fewer than 1 partition, or a child that can't be there several times.
        """
        count = (os.cpu_count() or 1) if partitions is None else partitions
        _check(child, count)
        if not isinstance(strategy or self.strategy, OneForOne):
            raise DefinitionError("partitions don't depend on each other: their strategy is OneForOne")
        copies = [_copy(child, number, with_arguments) for number in range(count)]
        await self._begin(copies, strategy, None)
        self._all = list(self._slots)
        self._routes: Partitions[object] = Partitions(self._all)

    def pid_for(self, key: object) -> Deferred[Pid[object]]:
        """The process that the key belongs to now.

        Raises:
            NameUnknown: no process stands there now, because it is about to be restarted.
            TypeError: the key has no stable form.
        """
        deferred = cast("Deferred[Pid[object]]", self._cell.defer())
        try:
            deferred.reply(self._routes.via(key))
        except (NameUnknown, TypeError) as error:
            deferred.fail(error)
        return deferred

    def routes(self, server: type[ServerT]) -> Partitions[ServerT]:
        """The way to the partitions without asking this process each time.

        Args:
            server: the children's class.
        """
        return cast("Partitions[ServerT]", self._routes)

    def partitions(self) -> int:
        """How many partitions are in use."""
        return self._routes.count

    def resize(self, partitions: int) -> Deferred[None]:
        """Use another number of partitions. Most keys belong to another one afterwards.

        Those in excess are ended when nothing goes to them any more; those that are missing are started before anything
        does.

        Args:
            partitions: how many, from 1 to the number at the start.

        Raises:
            DefinitionError: another number.
            StartFailed: a missing one could not start. The number stays as it was.
        """
        return self._answer(partial(self._resize, partitions))

    async def _resize(self, partitions: int) -> None:
        given: object = partitions
        if not isinstance(given, int) or not 1 <= partitions <= len(self._all):
            raise DefinitionError(
                f"resize to 1 … {len(self._all)} partitions, as many as at the start, not {partitions!r}"
            )
        await self._start_missing(self._all[self._routes.count : partitions])
        surplus = self._all[partitions : self._routes.count]
        self._routes.count = partitions
        for slot in reversed(surplus):
            await self._end(slot)

    async def _start_missing(self, missing: Sequence[Slot]) -> None:
        try:
            for slot in missing:
                await self._start(slot)
        except StartFailed:
            for slot in reversed(missing):
                await self._end(slot)
            raise


def _check(child: Child[GenServer], count: int) -> None:
    if not isinstance(child, Child):
        raise DefinitionError(f"a supervisor's children are described by Child, not by {child!r}")
    if count < 1:
        raise DefinitionError(f"there is at least 1 partition, not {count}")
    if child.name is not None:
        raise DefinitionError(f"partitions are equal, so they can't all have the name {child.name!r}")
    if child.restart == "temporary":
        raise DefinitionError("a partition is found by its number, so it has to come back: it can't be temporary")


def _copy(child: Child[GenServer], number: int, with_arguments: WithArguments | None) -> Child[GenServer]:
    arguments = child.arguments if with_arguments is None else tuple(with_arguments(child.arguments, number))
    return child.override(id=str(number), arguments=arguments)
