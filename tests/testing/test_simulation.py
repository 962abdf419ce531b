"""Simulation: the real runtime in virtual time, in seeded orders."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Coroutine, Iterable

import pytest

from headwater import Child, GenServer, OneForOne, Pid, Supervisor, System
from headwater.errors import DeadlineExceeded
from headwater.runtime.exits import Exit
from headwater.testing import simulation
from headwater.testing.scheduler import Deadlock, Endless
from headwater.testing.simulation import SeedFailed, explore, simulate


class Till(GenServer):
    def init(self) -> None:
        self.money = 0
        self.log: list[str] = []

    def total(self) -> int:
        return self.money

    def put(self, money: int) -> None:
        self.money = money

    def add(self, money: int) -> None:
        self.money += money

    def note(self, text: str) -> None:
        self.log.append(text)

    def handle_info(self, message: object) -> None:
        self.log.append(str(message))

    def notes(self) -> tuple[str, ...]:
        return tuple(self.log)

    async def wait_for_ever(self) -> None:
        await asyncio.Event().wait()


async def careless(till: Pid[Till]) -> None:
    """The planted bug: between the two calls somebody else may have paid."""
    total = await till.call(Till.total)
    await till.call(Till.put, total + 100)


async def careful(till: Pid[Till]) -> None:
    await till.call(Till.add, 100)


async def payments(system: System, customers: Iterable[Coroutine[object, object, None]], till: Pid[Till]) -> None:
    tasks = [asyncio.create_task(customer) for customer in customers]
    for task in tasks:
        await task
    assert await till.call(Till.total) == 100 * len(tasks)


async def lossy(system: System) -> None:
    till = await system.start(Till)
    await payments(system, [careless(till), careless(till)], till)


async def sound(system: System) -> None:
    till = await system.start(Till)
    await payments(system, [careful(till), careful(till)], till)


@pytest.mark.row("BR-06")
def test_exploring_finds_a_bug_that_only_some_orders_show_and_its_seed_shows_it_again() -> None:
    with pytest.raises(SeedFailed, match=r"seed \d+ fails: AssertionError") as failure:
        explore(lossy)
    seed = failure.value.seed
    assert f"simulate(…, seed={seed})" in str(failure.value)
    for _ in range(3):
        with pytest.raises(AssertionError, match="assert 100 =="):
            simulate(lossy, seed=seed)
    outcomes = {_passes(seed) for seed in range(20)}
    assert outcomes == {True, False}  # it is the order that decides
    assert explore(sound, seeds=range(50)) == 50


def _passes(seed: int) -> bool:
    try:
        simulate(lossy, seed=seed)
    except AssertionError:
        return False
    return True


async def chatter(system: System) -> tuple[str, ...]:
    """Many senders, timers and tasks, and one who writes down what comes."""
    till = await system.start(Till)

    async def sender(name: str) -> None:
        for number in range(5):
            if system.rng.random() < 0.5:
                await asyncio.sleep(system.rng.random())
            elif system.rng.random() < 0.5:
                await till.call(Till.note, f"{name}{number}")
                continue
            till.cast(Till.note, f"{name}{number}")

    async with asyncio.TaskGroup() as group:
        for name in "abcdef":
            group.create_task(sender(name))
    return await till.call(Till.notes)


@pytest.mark.row("BR-06")
def test_the_same_seed_gives_the_same_history_and_other_seeds_give_others() -> None:
    histories = [simulate(chatter, seed=seed) for seed in range(20)]
    assert histories == [simulate(chatter, seed=seed) for seed in range(20)]
    assert len(set(histories)) == 20


SCRIPT = """
import asyncio
from headwater import GenServer, System
from headwater.testing.simulation import simulate

class Heir(GenServer):
    def init(self, log, number):
        self.log, self.number, self.trap_exit = log, number, True
    def handle_info(self, message):
        self.log.append(self.number)

async def scenario(system: System):
    log = []
    centre = await system.start(Heir, log, -1)
    heirs = {await system.start(Heir, log, number) for number in range(50)}
    for heir in heirs:
        centre.process.link(heir.process)
    async def wait(number):
        try:
            await asyncio.sleep(1000)
        finally:
            log.append(("cancelled", number))
    try:
        async with asyncio.TaskGroup() as group:
            for number in range(50):
                group.create_task(wait(number))
            await asyncio.sleep(1)
            centre.kill()
            await asyncio.sleep(1)
            raise KeyError
    except* KeyError:
        pass
    return log

print(simulate(scenario, seed=5))
"""


@pytest.mark.row("BR-06")
def test_the_same_seed_gives_the_same_history_in_another_python_process() -> None:
    histories = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONMALLOC": allocator},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for hash_seed, allocator in [("1", "default"), ("2", "malloc"), ("3", "debug")]
    }
    assert len(histories) == 1
    assert histories.pop().count("cancelled") == 50


@pytest.mark.row("BR-06")
def test_whatever_the_seed_each_senders_messages_stay_in_order() -> None:
    for seed in range(100):
        history = simulate(chatter, seed=seed)
        for name in "abcdef":
            assert [note for note in history if note[0] == name] == [f"{name}{number}" for number in range(5)]


async def exits(system: System) -> list[str]:
    """The order in which a crash ends those who are linked is part of the history."""
    ended: list[str] = []
    centre = await system.start(Till)
    for number in range(20):
        other = await system.start(Till, name=f"linked {number}")
        centre.process.link(other.process)
        other.watch(lambda _, number=number: ended.append(f"linked {number}"))  # type: ignore[misc]
    centre.kill()
    return ended


def test_exit_signals_go_out_in_the_order_in_which_the_links_were_made() -> None:
    assert simulate(exits) == [f"linked {number}" for number in range(20)]


class Patient(Supervisor):
    strategy = OneForOne(max_restarts=1_000, within=3600.0)

    def children(self) -> Iterable[Child]:
        yield Child(Till, name="till")


@pytest.mark.row("BR-06")
def test_days_of_timers_deadlines_and_restarts_take_no_real_time() -> None:
    async def scenario(system: System) -> float:
        supervisor = await system.start(Patient)
        for _ in range(500):
            await asyncio.sleep(600.0)
            till = system.named(Till, "till")
            till.exit(ValueError("boom"))
            await supervisor.call(Patient.which_children)  # when it has restarted the till
            with pytest.raises(DeadlineExceeded):
                await system.named(Till, "till").call(Till.wait_for_ever)
            system.named(Till, "till").kill()
            await supervisor.call(Patient.which_children)
        return system.clock.monotonic()

    started = time.monotonic()
    elapsed = simulate(scenario)
    assert elapsed >= 500 * 605.0
    assert time.monotonic() - started < 30.0


def test_timers_ring_in_the_order_of_their_times_and_at_the_same_moment_in_any() -> None:
    async def scenario(system: System) -> tuple[str, ...]:
        till = await system.start(Till)
        for name in ("a2", "a1", "b1", "c1"):
            till.process.server.send_after(float(name[1]), name)  # type: ignore[attr-defined]
        await asyncio.sleep(3.0)
        return await till.call(Till.notes)

    histories = {simulate(scenario, seed=seed) for seed in range(30)}
    assert len(histories) == 6
    assert {history[-1] for history in histories} == {"a2"}


@pytest.mark.row("BR-06")
def test_tasks_and_processes_have_their_turns_in_any_order() -> None:
    async def scenario(system: System) -> tuple[str, ...]:
        order: list[str] = []

        class Voice(GenServer):
            def speak(self, name: str) -> None:
                order.append(name)

        async def speak(name: str) -> None:
            order.append(name)

        for name in "abc":
            (await system.start(Voice)).cast(Voice.speak, name)
        async with asyncio.TaskGroup() as group:
            group.create_task(speak("d"))
        while len(order) < 4:
            await asyncio.sleep(0)
        return tuple(order)

    assert len({simulate(scenario, seed=seed) for seed in range(300)}) == 24


def test_plain_callbacks_keep_their_order() -> None:
    async def scenario(_: System) -> list[int]:
        order: list[int] = []
        for number in range(10):
            asyncio.get_running_loop().call_soon(order.append, number)
        while len(order) < 10:
            await asyncio.sleep(0)
        return order

    assert all(simulate(scenario, seed=seed) == list(range(10)) for seed in range(20))


def test_calls_to_idle_processes_run_at_once_or_wait_as_the_seed_decides() -> None:
    async def scenario(system: System) -> bool:
        till = await system.start(Till)
        others_ran: list[None] = []
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(others_ran.append, None)
        await till.call(Till.total)
        return bool(others_ran)

    assert {simulate(scenario, seed=seed) for seed in range(30)} == {True, False}


@pytest.mark.row("BR-06")
def test_a_deadlock_is_an_error_that_says_who_waits_where() -> None:
    async def scenario(system: System) -> None:
        till = await system.start(Till)
        await till.within(None).call(Till.wait_for_ever)

    with pytest.raises(Deadlock, match=r"no timer is set; waiting: .*scenario .*wait_for_ever"):
        simulate(scenario)


def test_a_simulation_that_never_ends_is_ended() -> None:
    async def scenario(_: System) -> None:
        while True:
            await asyncio.sleep(1.0)

    with pytest.raises(Endless, match="not finished after 500 steps"):
        simulate(scenario, steps=500)


def test_what_the_scenario_returns_or_raises_comes_out_and_nothing_outlives_it() -> None:
    ended: list[object] = []

    class Last(GenServer):
        def terminate(self, reason: object) -> None:
            ended.append(reason)

    async def scenario(system: System) -> None:
        await system.start(Last)
        asyncio.get_running_loop().create_task(asyncio.sleep(1e9))
        raise KeyError("oh")

    with pytest.raises(KeyError, match="oh"):
        simulate(scenario)
    assert ended == [Exit.SHUTDOWN]


def test_work_for_a_thread_is_done_at_once() -> None:
    async def scenario(system: System) -> tuple[int, float]:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        return await asyncio.to_thread(lambda: 42), system.clock.monotonic()

    assert simulate(scenario) == (42, 0.0)


def test_both_clocks_go_together() -> None:
    async def scenario(system: System) -> tuple[float, int]:
        before = system.clock.wall()
        await asyncio.sleep(2.5)
        return system.clock.monotonic(), system.clock.wall() - before

    assert simulate(scenario) == (2.5, 2_500_000_000)


def test_the_example_in_the_documentation_runs() -> None:
    assert simulation.__doc__ is not None
    lines = simulation.__doc__.split("\n\n`explore` runs")[0].splitlines()[2:]
    code = "\n".join(line.removeprefix("    ") for line in lines)
    names: dict[str, object] = {
        "asyncio": asyncio, "System": System, "Till": Till, "customer": careful, "explore": explore,
    }  # fmt: skip
    exec(code, names)
    test = names["test_no_payment_is_lost"]
    assert callable(test)
    test()
    names["customer"] = careless
    with pytest.raises(SeedFailed):
        test()
