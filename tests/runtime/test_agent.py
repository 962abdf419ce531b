"""Agents: a state, and functions that run in its process."""

import asyncio
import logging
from collections.abc import Iterable

import pytest

from headwater import Child, GenServer, Supervisor, System
from headwater.errors import DeadlineExceeded, NameTaken, ProcessDown, Rejected, StartFailed
from headwater.runtime.agent import Agent, AgentProcess
from headwater.runtime.process import Process
from headwater.testing.clock import VirtualClock

from .driving import run


def zero() -> int:
    return 0


def fail(_: int) -> int:
    raise ValueError("boom")


@pytest.mark.row("AG-01")
def test_an_agent_holds_a_state_that_functions_read_and_replace() -> None:
    async def scenario(system: System) -> None:
        agent = await Agent.start(system, zero)
        await agent.update(lambda state: state + 5)
        assert await agent.get(str) == "5"
        assert await agent.get_and_update(lambda state: (f"was {state}", state * 2)) == "was 5"
        agent.cast(lambda state: state + 1)
        assert await agent.get(lambda state: state) == 11
        await agent.stop()
        with pytest.raises(ProcessDown):
            await agent.get(str)

    run(scenario)


@pytest.mark.row("AG-01")
def test_the_functions_run_in_the_agent_one_at_a_time() -> None:
    states: list[str] = []

    async def scenario(system: System) -> None:
        agent = await Agent.start(system, zero)
        cell: Process = agent.pid.process

        def note(state: int) -> int:
            states.append(("idle", "idle", "queued", "running")[cell.state])
            return state + 1

        await asyncio.gather(*(agent.update(note) for _ in range(50)))
        agent.cast(note)
        assert await agent.get(lambda state: state) == 51
        assert states == ["running"] * 51

    run(scenario)


@pytest.mark.row("AG-01")
def test_a_function_that_raises_ends_the_agent(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(system: System) -> None:
        agent = await Agent.start(system, zero)
        with caplog.at_level(logging.ERROR), pytest.raises(ProcessDown, match="boom"):
            await agent.update(fail)
        assert not agent.pid.alive
        agent.cast(lambda state: state + 1)  # dropped

    run(scenario)


def test_a_rejection_is_an_answer_and_leaves_the_state() -> None:
    def refuse(_: int) -> int:
        raise Rejected("no")

    async def scenario(system: System) -> None:
        agent = await Agent.start(system, zero)
        with pytest.raises(Rejected):
            await agent.update(refuse)
        assert await agent.get(lambda state: state) == 0

    run(scenario)


@pytest.mark.row("AG-01")
def test_an_agent_is_waited_for_five_seconds_unless_told_otherwise() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        agent = await Agent.start(system, zero)
        agent.pid.process.suspend()
        usual, patient = (asyncio.create_task(each.get(str)) for each in (agent, agent.within(8.0)))
        await asyncio.sleep(0)
        clock.advance(5.0)
        with pytest.raises(DeadlineExceeded):
            await usual
        agent.pid.process.resume()
        assert await patient == "0"

    run(scenario, clock)


def test_an_agent_has_a_name_and_tells_why_it_cannot_start() -> None:
    async def scenario(system: System) -> None:
        await Agent.start(system, zero, name="scores")
        with pytest.raises(NameTaken):
            await Agent.start(system, zero, name="scores")
        with pytest.raises(StartFailed) as caught:
            await Agent.start(system, lambda: 1 // 0)
        assert isinstance(caught.value.__cause__, ZeroDivisionError)

    run(scenario)


@pytest.mark.row("AG-01")
def test_a_supervised_agent_comes_back_with_its_first_state() -> None:
    class Settings(Supervisor):
        def children(self) -> Iterable[Child]:
            yield Child(AgentProcess, zero, name="settings")

    async def scenario(system: System) -> None:
        await system.start(Settings)
        agent: Agent[int] = Agent(system.named(AgentProcess, "settings"))
        await agent.update(lambda state: state + 1)
        with pytest.raises(ProcessDown):
            await agent.update(fail)
        for _ in range(10):
            await asyncio.sleep(0)
        agent = Agent(system.named(AgentProcess, "settings"))
        assert await agent.get(lambda state: state) == 0

    run(scenario)


def test_agents_are_processes() -> None:
    assert issubclass(AgentProcess, GenServer)
