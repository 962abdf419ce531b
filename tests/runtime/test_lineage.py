"""Where a process comes from, and on whose behalf it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from headwater import Child, Exit, GenServer, Pid, Supervisor, System, Task
from headwater.runtime import introspect
from headwater.runtime.process_info import info
from headwater.runtime.task_process import callers, this_task

from .driving import run, settle


class Worker(GenServer):
    def init(self) -> None:
        self.mood = "fresh"
        self.seen_in_init = info(self.pid).ancestors

    async def ask_a_task(self) -> tuple[tuple[Pid[object], ...], tuple[Pid[object], ...]]:
        return await (await Task.run(_lineage)).result()


async def _lineage() -> tuple[tuple[Pid[object], ...], tuple[Pid[object], ...]]:
    return info(this_task()).ancestors, callers()


class Team(Supervisor):
    def children(self) -> Iterable[Child]:
        yield Child(Worker, name="worker", restart="permanent")


class Department(Supervisor):
    def children(self) -> Iterable[Child]:
        yield Child(Team, name="team")


def names(pids: Iterable[Pid[object]]) -> list[str]:
    return [pid.label for pid in pids]


CHAIN = ["Team 'team'", "Department 'department'"]


@pytest.mark.row("PR-18")
def test_a_process_knows_its_ancestors_from_its_init_until_after_their_end() -> None:
    async def scenario(system: System) -> None:
        department = await system.start(Department, name="department")
        assert info(department).ancestors == ()
        worker = system.named(Worker, "worker")
        state = await introspect.get_state(worker)
        assert names(info(worker).ancestors) == CHAIN == names(state["seen_in_init"])  # type: ignore[arg-type]  # as set above
        assert info(worker).server is Worker  # whose `init` was the initial call
        worker.kill()
        await settle()
        reborn = system.named(Worker, "worker")
        assert reborn != worker
        assert info(reborn).ancestors == info(worker).ancestors
        await department.stop()
        assert names(info(reborn).ancestors) == CHAIN

    run(scenario)


@pytest.mark.row("PR-18", "TS-07")
def test_a_task_has_its_owner_as_ancestor_and_as_caller() -> None:
    async def scenario(system: System) -> None:
        await system.start(Department, name="department")
        worker = system.named(Worker, "worker")
        ancestors, on_behalf_of = await worker.call(Worker.ask_a_task)
        assert names(ancestors) == ["Worker 'worker'", *CHAIN]
        assert on_behalf_of == (worker,)

    run(scenario)


@pytest.mark.row("PR-18")
def test_a_process_that_stands_on_its_own_has_no_ancestors_even_if_a_process_started_it() -> None:
    class Starter(GenServer):
        async def start_another(self, system: System) -> Pid[Worker]:
            return await system.start(Worker)

    async def scenario(system: System) -> None:
        starter = await system.start(Starter)
        assert info(await starter.call(Starter.start_another, system)).ancestors == ()

    run(scenario)


@pytest.mark.row("PR-18")
def test_the_attributes_are_the_dictionary_its_own_to_change_and_for_tools_to_see() -> None:
    async def scenario(system: System) -> None:
        one, other = await asyncio.gather(system.start(Worker), system.start(Worker))
        await introspect.replace_state(one, lambda server: setattr(server, "mood", "tired"))
        assert (await introspect.get_state(one))["mood"] == "tired"
        assert (await introspect.get_state(other))["mood"] == "fresh"
        one.exit(Exit.KILL)

    run(scenario)
