"""One message to many processes is handled as if it had been sent to each."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import GenServer, Pid, System
from headwater.runtime import introspect
from headwater.runtime.multicast import FEW, multicast
from headwater.runtime.node import Node, RunQueue
from headwater.testing.simulation import explore
from tests.runtime.driving import Probe, run, settle

MANY = FEW * 2


class OneByOne(RunQueue):
    """A run queue of another kind: with it, every process gets a turn of its own."""


class Other(Probe):
    pass


class Slow(Probe):
    async def handle_info(self, message: object) -> None:  # type: ignore[override]  # it may be async
        self.log.append(("begin", message))
        await asyncio.sleep(0)
        self.log.append(("end", message))


async def start(system: System, *kinds: type[Probe]) -> list[Pid[Probe]]:
    return [await system.start(kinds[number % len(kinds)]) for number in range(MANY)]


def log(pid: Pid[Probe]) -> list[object]:
    server = pid.process.server
    assert isinstance(server, Probe)
    return server.log


def test_every_process_handles_it_in_a_later_turn() -> None:
    async def scenario(system: System) -> None:
        pids = await start(system, Probe, Other)
        assert multicast(pids, "a") == []
        assert [log(pid) for pid in pids] == [[]] * MANY
        await settle()
        assert [log(pid) for pid in pids] == [["a"]] * MANY
        assert [pid.process.handled for pid in pids] == [1] * MANY
        assert multicast([], "b") == multicast(pids[:1], "b") == []
        await settle()
        assert log(pids[0]) == ["a", "b"]

    run(scenario)


def test_idle_processes_share_a_place_in_the_run_queue() -> None:
    async def scenario(system: System) -> None:
        pids = await start(system, Probe, Other)
        queue = system.node.run_queue
        multicast(pids, "a")
        assert len(queue._ready) == 2  # one for each class
        await settle()
        multicast(pids[:FEW], "b")
        assert len(queue._ready) == FEW

    run(scenario)


def test_it_keeps_its_place_among_other_messages() -> None:
    async def scenario(system: System) -> None:
        pids = await start(system, Probe)
        pids[0].send("before")
        multicast(pids, "a")
        for pid in pids:
            pid.send("between")
        multicast(pids, "b")
        answers = [await pid.call(Probe.history) for pid in pids]  # behind all of it
        assert answers == [["before", "a", "between", "b"]] + [["a", "between", "b"]] * (MANY - 1)

    run(scenario)


def test_async_handlers_take_their_time() -> None:
    async def scenario(system: System) -> None:
        pids = await start(system, Slow, Probe)
        multicast(pids, "a")
        multicast(pids, "b")
        await settle()
        assert log(pids[0]) == [("begin", "a"), ("end", "a"), ("begin", "b"), ("end", "b")]
        assert log(pids[1]) == ["a", "b"]

    run(scenario)


def test_who_has_ended_meanwhile_handles_nothing() -> None:
    async def scenario(system: System) -> None:
        pids = await start(system, Probe)
        await pids[0].stop()
        multicast(pids, "a")
        pids[1].kill()
        asked = asyncio.create_task(pids[2].stop())
        await settle()
        await asked
        assert (log(pids[0])[:-1], log(pids[1])) == ([], [])
        assert log(pids[2])[0] == "a"
        assert [log(pid) for pid in pids[3:]] == [["a"]] * (MANY - 3)

    run(scenario)


def test_a_handler_that_raises_ends_its_process_only(caplog: pytest.LogCaptureFixture) -> None:
    class Fragile(Probe):
        def handle_info(self, message: object) -> None:
            super().handle_info(message)
            if self.pid == fragile[0] and message == "a":
                raise OSError("on purpose")

    fragile: list[Pid[Probe]] = []

    async def scenario(system: System) -> None:
        pids = await start(system, Fragile)
        fragile.append(pids[3])
        multicast(pids, "a")
        multicast(pids, "b")
        await settle()
        assert [pid.alive for pid in pids] == [number != 3 for number in range(MANY)]
        assert log(pids[3])[0] == "a"
        assert "b" not in log(pids[3])
        assert log(pids[4]) == ["a", "b"]
        [record] = caplog.records
        assert "message: handle_info('a')" in record.getMessage()

    run(scenario)


def test_one_handler_ends_another_process_of_the_same_batch() -> None:
    async def scenario(system: System) -> None:
        pids: list[Pid[Probe]] = []

        class Killer(Probe):
            def handle_info(self, message: object) -> None:
                super().handle_info(message)
                pids[-1].kill()

        pids.extend(await start(system, Killer))
        multicast(pids, "a")
        await settle()
        assert [log(pid) for pid in pids] == [["a"]] * (MANY - 1) + [[]]

    run(scenario)


def test_who_is_suspended_or_watched_takes_the_long_way() -> None:
    async def scenario(system: System) -> None:
        pids = await start(system, Probe)
        seen: list[tuple[str, object]] = []
        multicast(pids, "a")
        pids[0].process.suspend()
        pids[1].process.add_observer(lambda kind, subject: seen.append((kind, subject)))
        pids[0].send("b")
        await settle()
        assert log(pids[0]) == []
        assert log(pids[1]) == ["a"]
        assert seen
        pids[0].process.resume()
        await settle()
        assert log(pids[0]) == ["a", "b"]
        await introspect.suspend(pids[2])
        multicast(pids, "c")
        await settle()
        assert log(pids[2]) == ["a"]
        await introspect.resume(pids[2])
        await settle()
        assert log(pids[2]) == ["a", "c"]

    run(scenario)


def test_who_has_no_room_is_named() -> None:
    async def scenario(system: System) -> None:
        pids = await start(system, Probe)
        full = await system.start(Probe, capacity=1)
        ended = await system.start(Probe)
        ended.kill()
        full.send("before")
        assert multicast([*pids, full, ended, full], "a") == [full, full]
        await settle()
        assert log(full) == ["before"]
        assert log(pids[0]) == ["a"]

    run(scenario)


def test_processes_of_several_systems() -> None:
    async def scenario(system: System) -> None:
        async with System("other") as other:
            pids = [await each.start(Probe) for _ in range(MANY) for each in (system, other)]
            multicast(pids, "a")
            await settle()
            assert [log(pid) for pid in pids] == [["a"]] * len(pids)

    run(scenario)


def test_a_simulation_still_decides_on_each_turn() -> None:
    orders = set()

    async def scenario(system: System) -> None:
        order: list[int] = []

        class Noted(GenServer):
            def init(self, number: int) -> None:
                self.number = number

            def handle_info(self, message: object) -> None:
                order.append(self.number)

        pids = [await system.start(Noted, number) for number in range(MANY)]
        multicast(pids, "a")
        while len(order) < MANY:
            await asyncio.sleep(0)
        orders.add(tuple(order))

    explore(scenario, seeds=range(5))
    assert len(orders) > 1


# --- the same history either way -----------------------------------------------------------------------------


class Actor(Probe):
    """Does what the messages say."""

    def handle_info(self, message: object) -> None:
        super().handle_info(message)
        match message:
            case ("stop", number) if number == self.pid.process.number % 3:
                self.stop()
            case ("raise", number) if number == self.pid.process.number % 3:
                raise OSError("on purpose")
            case ("then", _):
                self.then(Actor.note, "then")
            case ("wait", _):
                self.wait_for_message(1_000.0, "never")
            case ("cast", _):
                self.pid.cast(Actor.note, "cast")

    def note(self, text: str) -> None:
        self.log.append(text)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["multicast", "send", "cast", "call", "kill", "suspend", "resume", "turn"]),
        st.sampled_from(["plain", "stop", "raise", "then", "wait", "cast"]),
        st.integers(0, 9),
    ),
    max_size=25,
)


def act(pid: Pid[Actor], action: str, message: object, place: int) -> None:
    match action:
        case "send":
            pid.send((message, place))
        case "cast":
            pid.cast(Actor.note, f"cast {place}")
        case "kill":
            pid.kill()


WAITING: dict[str, Callable[[Pid[Actor], int], Coroutine[object, object, object]]] = {
    "call": lambda pid, place: pid.within(None).call(Actor.note, f"call {place}"),
    "suspend": lambda pid, _: introspect.suspend(pid, None),
    "resume": lambda pid, _: introspect.resume(pid, None),
}
"""What waits for an answer."""


async def play(system: System, steps: Sequence[tuple[str, str, int]]) -> list[object]:
    pids = [await system.start(Actor) for _ in range(10)]
    calls: list[asyncio.Task[object]] = []
    for place, (action, message, number) in enumerate(steps):
        if action == "multicast":
            multicast(pids[number % 2 :], (message, place))
        elif action in WAITING:
            calls.append(asyncio.create_task(WAITING[action](pids[number], place)))
        elif action == "turn":
            await settle()
        else:
            act(pids[number], action, message, place)
    await settle()
    calls += [asyncio.create_task(introspect.resume(pid, None)) for pid in pids]
    await asyncio.gather(*calls, return_exceptions=True)
    await settle()
    return [(str(log(pid)), pid.alive, pid.process.handled, len(pid.process.mailbox)) for pid in pids]


def history(steps: Sequence[tuple[str, str, int]], *, together: bool) -> list[object]:
    def scheduler(node: Node) -> RunQueue:
        return RunQueue(node.loop) if together else OneByOne(node.loop)

    async def main() -> list[object]:
        async with System("test", scheduler=scheduler) as system:
            return await play(system, steps)

    return asyncio.run(main())


@given(steps=STEPS)
@settings(max_examples=150, deadline=None)
def test_the_history_of_each_process_is_the_same_either_way(steps: list[tuple[str, str, int]]) -> None:
    logging.disable()  # crash reports
    try:
        assert history(steps, together=True) == history(steps, together=False)
    finally:
        logging.disable(logging.NOTSET)


def test_a_process_that_is_measured_from_now_on_still_gets_what_is_under_way_first() -> None:
    async def scenario(system: System) -> None:
        pids = await start(system, Probe)
        multicast(pids, "a")
        pids[0].send("b")
        introspect.measure(pids[0])
        await settle()
        assert log(pids[0]) == ["a", "b"]
        multicast(pids, "c")
        await settle()
        assert log(pids[0]) == ["a", "b", "c"]

    run(scenario)
