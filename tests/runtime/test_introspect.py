"""Introspection: looking into processes and steering them, as `sys` does."""

import asyncio
import io
import logging
from collections.abc import Mapping
from pathlib import Path

import pytest

from headwater import Exit, GenServer, Pid, Rejected, System
from headwater.errors import CallingSelf, DeadlineExceeded, DefinitionError, ProcessDown, ProcessError
from headwater.runtime import introspect
from headwater.runtime.introspect_events import ProcessEvent
from headwater.runtime.introspect_options import logging_last, logging_to, measuring, observing, tracing
from headwater.testing.clock import VirtualClock

from .driving import Probe, run, settle


class Counter(GenServer):
    capacity = 1_000

    def init(self, start: int = 0) -> None:
        self.value = start
        self.ended: list[object] = []
        self.gate = asyncio.Event()

    def increment(self, by: int = 1) -> int:
        self.value += by
        return self.value

    async def hold(self) -> int:
        await self.gate.wait()
        return self.value

    def chain(self) -> str:
        self.then(Counter.increment, 10)
        return "begun"

    def refuse(self) -> None:
        raise Rejected("no")

    async def look_at_itself(self) -> Mapping[str, object]:
        return await introspect.get_state(self.pid)

    def terminate(self, reason: object) -> None:
        self.ended.append(reason)


class Slotted(GenServer):
    __slots__ = ("inner",)

    def init(self) -> None:
        self.inner = 1
        self.outer = 2


class Old(Counter):
    def change_code(self, old_version: object) -> None:
        self.value += 1


class New(Counter):
    def change_code(self, old_version: object) -> None:
        if old_version == "bad":
            self.value = -1
            raise ValueError("cannot migrate")
        self.value *= 100
        self.version = old_version

    def doubled(self) -> int:
        return self.value * 2


def gate_of(pid: Pid[Counter]) -> asyncio.Event:
    server = pid.process.server
    assert isinstance(server, Counter)
    return server.gate


# --- state ---------------------------------------------------------------------------------------------------


@pytest.mark.row("SY-01")
def test_the_state_is_read_as_a_copy_that_cannot_be_changed() -> None:
    async def scenario(system: System) -> None:
        counter = await system.start(Counter, 3)
        state = await introspect.get_state(counter)
        assert state["value"] == 3
        await counter.call(Counter.increment)
        assert state["value"] == 3
        with pytest.raises(TypeError):
            state["value"] = 7  # type: ignore[index]
        assert await introspect.get_state(await system.start(Slotted)) == {"inner": 1, "outer": 2}

    run(scenario)


@pytest.mark.row("SY-01")
def test_the_state_is_replaced_or_as_it_was() -> None:
    def change(counter: Counter) -> None:
        counter.value = 42

    def break_off(counter: Counter) -> None:
        counter.value = 7
        counter.extra = True  # type: ignore[attr-defined]
        raise OSError("oh")

    async def scenario(system: System) -> None:
        counter = await system.start(Counter)
        assert (await introspect.replace_state(counter, change))["value"] == 42
        before = await introspect.get_state(counter)
        with pytest.raises(OSError, match="oh"):
            await introspect.replace_state(counter, break_off)
        assert await introspect.get_state(counter) == before
        assert await counter.call(Counter.increment) == 43

    run(scenario)


@pytest.mark.row("SY-01")
def test_a_request_takes_its_place_among_the_messages() -> None:
    async def scenario(system: System) -> None:
        counter = await system.start(Counter)
        waiting = asyncio.create_task(counter.call(Counter.hold))
        await settle()
        counter.cast(Counter.increment)
        asked = asyncio.create_task(introspect.get_state(counter))
        await settle()
        counter.cast(Counter.increment)
        assert not asked.done()
        gate_of(counter).set()
        assert (await asked)["value"] == 1
        await waiting

    run(scenario)


@pytest.mark.row("SY-01")
def test_one_process_may_ask_another_but_not_itself() -> None:
    async def scenario(system: System) -> None:
        counter, probe = await system.start(Counter, 5), await system.start(Probe)
        assert await probe.call(Probe.do_async, lambda _: introspect.get_state(counter))
        with pytest.raises(ProcessDown) as down:
            await counter.call(Counter.look_at_itself)
        assert isinstance(down.value.__cause__, CallingSelf)
        with pytest.raises(ProcessDown):
            await introspect.get_state(counter)

    run(scenario)


def test_a_request_to_a_busy_process_ends_at_its_deadline_and_is_taken_back() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        counter = await system.start(Counter)
        holding = asyncio.create_task(counter.within(None).call(Counter.hold))
        await settle()
        asked = asyncio.create_task(introspect.get_state(counter))
        await settle()
        clock.advance(4.9)
        await settle()
        assert not asked.done()
        clock.advance(0.1)
        with pytest.raises(DeadlineExceeded, match=r"within 5\.0 s"):
            await asked
        assert introspect.statistics(counter).waiting == 0
        asked = asyncio.create_task(introspect.get_state(counter))
        await settle()
        counter.kill()
        with pytest.raises(ProcessDown):
            await asked
        with pytest.raises(ProcessDown):
            await holding

    run(scenario, clock)


def test_a_request_does_not_end_a_wait_for_a_message_and_is_not_counted() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        probe = await system.start(Probe)
        await probe.call(Probe.do, lambda server: server.wait_for_message(1.0, "idle"))
        await introspect.get_state(probe)
        assert introspect.statistics(probe).messages_in == 1
        clock.advance(1.0)
        assert await probe.call(Probe.history) == ["idle"]

    run(scenario, clock)


@pytest.mark.row("SY-02")
def test_the_status_is_one_immutable_value() -> None:
    async def scenario(system: System) -> None:
        counter = await system.start(Counter, 3, debug=[logging_last()])
        await introspect.suspend(counter)
        status = await introspect.get_status(counter)
        assert (status.pid, status.server, status.suspended, status.parent) == (counter, Counter, True, None)
        assert status.debug == ("EventLog",)
        assert status.state["value"] == 3
        with pytest.raises(AttributeError):
            status.suspended = False  # type: ignore[misc]

    run(scenario)


# --- suspend, resume, change_code ----------------------------------------------------------------------------


@pytest.mark.row("SY-03")
def test_a_suspended_process_handles_only_requests_and_its_mailbox_grows() -> None:
    async def scenario(system: System) -> None:
        counter = await system.start(Counter)
        await introspect.suspend(counter)
        await introspect.suspend(counter)
        for _ in range(5):
            counter.cast(Counter.increment)
        called = asyncio.create_task(counter.call(Counter.increment))
        await settle()
        assert not called.done()
        assert (await introspect.get_state(counter))["value"] == 0
        assert introspect.statistics(counter).waiting == 6
        await introspect.resume(counter)
        assert await called == 6
        await introspect.resume(counter)
        assert await counter.call(Counter.increment) == 7

    run(scenario)


@pytest.mark.row("SY-03")
def test_suspending_takes_effect_in_order_and_requests_behind_it_do_not_get_stuck() -> None:
    async def scenario(system: System) -> None:
        counter = await system.start(Counter)
        holding = asyncio.create_task(counter.call(Counter.hold))
        await settle()
        counter.cast(Counter.increment)
        suspending = asyncio.create_task(introspect.suspend(counter))
        await settle()
        counter.cast(Counter.increment)
        looking = asyncio.create_task(introspect.get_state(counter))
        await settle()
        gate_of(counter).set()
        await holding
        await suspending
        assert (await looking)["value"] == 1  # the second increment waits
        resuming = asyncio.create_task(introspect.resume(counter))
        await resuming
        assert await counter.call(Counter.increment) == 3

    run(scenario)


@pytest.mark.row("SY-03")
def test_suspend_and_resume_that_wait_together_leave_the_process_running() -> None:
    async def scenario(system: System) -> None:
        counter = await system.start(Counter)
        holding = asyncio.create_task(counter.call(Counter.hold))
        await settle()
        both = [asyncio.create_task(introspect.suspend(counter)), asyncio.create_task(introspect.resume(counter))]
        await settle()
        gate_of(counter).set()
        await asyncio.gather(holding, *both)
        assert await counter.call(Counter.increment) == 1

    run(scenario)


@pytest.mark.row("SY-03", "SY-10")
@pytest.mark.parametrize("way", ["stop", "terminate", "parent"])
def test_a_suspended_process_can_be_ended_in_good_order(way: str) -> None:
    async def scenario(system: System) -> None:
        parent = await system.start(Probe)
        counter = await system.start(Counter)
        ended = counter.process.server.ended  # type: ignore[attr-defined]
        counter.cast(Counter.increment)
        await introspect.suspend(counter)
        counter.cast(Counter.increment)
        if way == "stop":
            await counter.stop()
        elif way == "terminate":
            await introspect.terminate(counter)
        else:
            counter.process.parent, counter.process.server.trap_exit = parent.process, True
            counter.process.receive_exit(parent.process, Exit.NORMAL)
        assert ended == [Exit.NORMAL]
        assert not counter.alive

    run(scenario)


@pytest.mark.row("SY-04", "GS-17")
def test_code_is_changed_on_a_suspended_process_only() -> None:
    async def scenario(system: System) -> None:
        counter = await system.start(Old, 3)
        with pytest.raises(ProcessError, match="suspend it before"):
            await introspect.change_code(counter, 1)
        await introspect.suspend(counter)
        await introspect.change_code(counter, 1)
        await introspect.resume(counter)
        assert await counter.call(Counter.increment) == 5

    run(scenario)


@pytest.mark.row("SY-04", "GS-17")
def test_a_process_gets_another_class_and_brings_its_state_along_or_stays_what_it_was() -> None:
    async def scenario(system: System) -> None:
        counter: Pid[Counter] = await system.start(Counter, 3)
        await introspect.suspend(counter)
        with pytest.raises(ValueError, match="cannot migrate"):
            await introspect.change_code(counter, "bad", New)
        status = await introspect.get_status(counter)
        assert (status.server, status.state["value"]) == (Counter, 3)
        with pytest.raises(DefinitionError):
            await introspect.change_code(counter, 1, int)  # type: ignore[arg-type]
        await introspect.change_code(counter, ("down", 2), New)
        await introspect.resume(counter)
        state = await introspect.get_state(counter)
        assert (state["value"], state["version"]) == (300, ("down", 2))
        assert await counter.call(Counter.increment) == 301
        migrated: Pid[New] = Pid(counter.process)
        assert await migrated.call(New.doubled) == 602

    run(scenario)


# --- debugging -----------------------------------------------------------------------------------------------


async def exercise(counter: Pid[Counter]) -> None:
    """One of each kind of event."""
    await counter.call(Counter.increment, 5)
    counter.cast(Counter.increment, by=2)
    await counter.call(Counter.chain)
    with pytest.raises(Rejected):
        await counter.call(Counter.refuse)
    await introspect.suspend(counter)
    await introspect.change_code(counter, 1)
    await introspect.resume(counter)
    await counter.stop(Exit.SHUTDOWN)


LINES = [
    "Counter 'c' in increment(5)",
    "Counter 'c' out 5",
    "Counter 'c' in increment(2)",
    "Counter 'c' noreply increment(2)",
    "Counter 'c' in chain()",
    "Counter 'c' out 'begun'",
    "Counter 'c' continue increment(10)",
    "Counter 'c' noreply increment(10)",
    "Counter 'c' in refuse()",
    "Counter 'c' out Rejected('no')",
    "Counter 'c' code_change 1",
]


@pytest.mark.row("SY-05")
def test_a_trace_writes_every_event_to_a_stream() -> None:
    async def scenario(system: System) -> None:
        counter, stream = await system.start(Counter, name="c"), io.StringIO()
        await introspect.trace(counter, io.StringIO())
        await introspect.trace(counter, stream)  # instead of the first
        await exercise(counter)
        lines = stream.getvalue().splitlines()
        assert lines[: len(LINES)] == LINES
        assert lines[-1] == "Counter 'c' terminate shutdown"

    run(scenario)


@pytest.mark.row("SY-05")
def test_a_trace_writes_to_a_logger_until_it_is_stopped(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(system: System) -> None:
        counter = await system.start(Counter, name="c")
        await introspect.trace(counter)
        await counter.call(Counter.increment)
        await introspect.trace(counter, logging.getLogger("mine"))
        await counter.call(Counter.increment)
        await introspect.stop_trace(counter)
        await counter.call(Counter.increment)
        assert counter.process.observers == ()

    with caplog.at_level(logging.INFO):
        run(scenario)
    lines = [(record.name, record.getMessage()) for record in caplog.records]
    assert lines == [
        ("headwater.runtime.trace", "Counter 'c' in increment()"),
        ("headwater.runtime.trace", "Counter 'c' out 1"),
        ("mine", "Counter 'c' in increment()"),
        ("mine", "Counter 'c' out 2"),
    ]


@pytest.mark.row("SY-06")
def test_a_log_keeps_the_last_events() -> None:
    async def scenario(system: System) -> None:
        counter = await system.start(Counter, name="c")
        assert introspect.get_log(counter) == ()
        await introspect.keep_log(counter)
        for _ in range(20):
            await counter.call(Counter.increment)
        log = introspect.get_log(counter)
        assert [str(event) for event in log[-2:]] == ["Counter 'c' in increment()", "Counter 'c' out 20"]
        assert len(log) == 10
        await introspect.keep_log(counter, 3)
        await exercise(counter)
        assert [event.kind for event in introspect.get_log(counter)] == ["in", "noreply", "terminate"]
        with pytest.raises(DefinitionError):
            await introspect.keep_log(await system.start(Counter), 0)

    run(scenario)


@pytest.mark.row("SY-06")
def test_a_log_can_be_read_while_the_process_is_busy_and_is_forgotten_when_it_is_stopped() -> None:
    async def scenario(system: System) -> None:
        counter = await system.start(Counter)
        await introspect.keep_log(counter)
        holding = asyncio.create_task(counter.call(Counter.hold))
        await settle()
        assert [event.method for event in introspect.get_log(counter)] == ["hold"]
        looking = asyncio.create_task(introspect.get_state(counter))
        await settle()
        gate_of(counter).set()
        await holding
        await looking
        assert [event.kind for event in introspect.get_log(counter)] == ["in", "out"]  # of requests it says nothing
        await introspect.stop_log(counter)
        assert introspect.get_log(counter) == ()

    run(scenario)


@pytest.mark.row("SY-07")
def test_events_go_to_a_file_that_is_closed_at_the_end(tmp_path: Path) -> None:
    async def scenario(system: System) -> None:
        counter = await system.start(Counter, name="c")
        with pytest.raises(FileNotFoundError):
            await introspect.log_to_file(counter, tmp_path / "nowhere" / "log")
        await introspect.log_to_file(counter, tmp_path / "log")
        await exercise(counter)
        other = await system.start(Counter)
        await introspect.log_to_file(other, tmp_path / "other")
        await other.call(Counter.increment)
        await introspect.stop_log_to_file(other)
        await other.call(Counter.increment)

    run(scenario)
    lines = [line.split(" ", 1)[1] for line in (tmp_path / "log").read_text().splitlines()]
    assert lines[: len(LINES)] == LINES
    assert lines[-1] == "Counter 'c' terminate shutdown"
    assert len((tmp_path / "other").read_text().splitlines()) == 2


@pytest.mark.row("SY-08", "BR-02")
def test_statistics_tell_what_came_what_went_and_what_waits_for_how_long() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        clock.advance(10.0)
        counter = await system.start(Counter, capacity=4)
        before = introspect.statistics(counter)
        assert (before.started, before.now, before.messages_in, before.messages_out) == (10.0, 10.0, 0, None)
        introspect.measure(counter)
        introspect.measure(counter)
        for _ in range(3):
            await counter.call(Counter.increment)
        counter.cast(Counter.increment)
        await settle()
        holding = asyncio.create_task(counter.within(None).call(Counter.hold))
        await settle()
        assert introspect.statistics(counter).oldest is None
        expiring = asyncio.create_task(counter.within(1.0).call(Counter.increment))
        await settle()
        clock.advance(2.0)
        counter.cast(Counter.increment)
        clock.advance(3.0)
        for _ in range(4):
            counter.cast(Counter.increment)
        assert (busy := introspect.statistics(counter)).oldest == 5.0
        assert (busy.waiting, busy.dropped, busy.expired, busy.now) == (4, 2, 0, 15.0)
        gate_of(counter).set()
        await holding
        with pytest.raises(DeadlineExceeded):
            await expiring
        await settle()
        after = introspect.statistics(counter)
        assert (after.messages_in, after.messages_out, after.waiting, after.oldest) == (8, 4, 0, None)
        assert (after.dropped, after.expired) == (2, 1)
        await introspect.no_debug(counter)
        assert introspect.statistics(counter).messages_out is None

    run(scenario, clock)


@pytest.mark.row("SY-08")
def test_measuring_may_begin_in_the_middle_of_a_turn_and_no_message_is_lost() -> None:
    async def scenario(system: System) -> None:
        probe = await system.start(Probe)
        probe.send(1)
        probe.cast(Probe.do, lambda server: introspect.measure(server.pid))
        probe.send(2)
        probe.cast(Probe.do, lambda server: introspect.measure(server.pid))
        probe.send(3)
        assert await probe.call(Probe.history) == [1, 2, 3]
        measured = introspect.statistics(probe)
        assert (measured.messages_in, measured.messages_out, measured.waiting) == (6, 1, 0)

    run(scenario)


@pytest.mark.row("SY-09")
def test_an_installed_function_hears_all_until_it_is_removed_and_may_send() -> None:
    heard: list[ProcessEvent] = []

    async def scenario(system: System) -> None:
        counter, probe = await system.start(Counter), await system.start(Probe)

        def tell(event: ProcessEvent) -> None:
            probe.send(event.kind)

        await introspect.install(counter, heard.append)
        await introspect.install(counter, tell)
        await counter.call(Counter.increment, 5)
        await introspect.remove(counter, heard.append)
        await counter.call(Counter.increment)
        assert [(event.kind, event.arguments, event.subject) for event in heard] == [("in", (5,), None), ("out", (), 5)]
        assert await probe.call(Probe.history) == ["in", "out", "in", "out"]
        await introspect.no_debug(counter)
        assert counter.process.observers == ()

    run(scenario)


@pytest.mark.row("SY-09")
def test_an_installed_function_that_raises_is_removed_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(system: System) -> None:
        def check(event: ProcessEvent) -> None:
            assert event.subject != 3, "never three"

        counter = await system.start(Counter)
        await introspect.install(counter, check)
        assert [await counter.call(Counter.increment) for _ in range(5)] == [1, 2, 3, 4, 5]
        assert counter.process.observers == ()

    run(scenario)
    assert [record.exc_text for record in caplog.records if "was removed" in record.getMessage()]
    assert "never three" in caplog.text


@pytest.mark.row("SY-10")
def test_terminate_ends_any_process_in_good_order() -> None:
    async def scenario(system: System) -> None:
        counter = await system.start(Counter)
        ended = counter.process.server.ended  # type: ignore[attr-defined]
        await introspect.terminate(counter, Exit.SHUTDOWN)
        assert ended == [Exit.SHUTDOWN]
        assert await counter.wait() is Exit.SHUTDOWN

    run(scenario)


@pytest.mark.row("SY-11")
def test_everything_can_be_switched_on_at_the_start(tmp_path: Path) -> None:
    stream, heard = io.StringIO(), list[ProcessEvent]()

    class Quick(GenServer):
        def init(self) -> None:
            self.then(Quick.begin)

        def begin(self) -> None:
            pass

        def work(self) -> str:
            return "done"

    async def scenario(system: System) -> None:
        options = [tracing(stream), logging_last(2), logging_to(tmp_path / "log"), measuring(), observing(heard.append)]
        pid = await system.start(Quick, debug=options)
        await pid.call(Quick.work)
        assert [event.kind for event in introspect.get_log(pid)] == ["in", "out"]
        assert introspect.statistics(pid).messages_out == 1

    run(scenario)
    expected = ["continue", "noreply", "in", "out"]
    assert [event.kind for event in heard][:4] == expected
    assert [line.split()[2] for line in stream.getvalue().splitlines()][:4] == expected
    assert len((tmp_path / "log").read_text().splitlines()) == len(heard)
