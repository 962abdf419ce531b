"""GenServer: calls, casts, messages, deferred answers, and how processes end."""

import asyncio
import logging

import pytest

from headwater import Deferred, Down, Exit, GenServer, Pid, Rejected, System
from headwater.errors import (
    CallingSelf,
    DeadlineExceeded,
    DefinitionError,
    MailboxFull,
    NameTaken,
    NameUnknown,
    ProcessDown,
    ProcessError,
    StartFailed,
    UnknownMethod,
)
from headwater.testing.clock import VirtualClock

from .driving import run


class Counter(GenServer):
    def init(self, start: int = 0) -> None:
        self.value = start
        self.seen: list[object] = []
        self.gate = asyncio.Event()
        self.waiting: Deferred[str] | None = None
        self.ended: list[object] = []

    def increment(self, by: int = 1) -> int:
        self.value += by
        self.seen.append(("increment", by))
        return self.value

    async def slowly(self, by: int) -> int:
        before = self.value
        await self.gate.wait()
        self.value = before + by
        self.seen.append(("slowly", by))
        return self.value

    def later(self) -> Deferred[str]:
        self.waiting = self.defer(str)
        return self.waiting

    def answer(self, text: str) -> None:
        assert self.waiting is not None
        self.waiting.reply(text)

    def boom(self) -> None:
        raise ValueError("boom")

    def refuse(self) -> None:
        raise Rejected("no", reason="because")

    async def call_self(self) -> int:
        return await self.pid.call(Counter.increment)

    def leave(self) -> str:
        self.stop()
        return "bye"

    def observe(self, pid: Pid[object]) -> int:
        return self.monitor(pid)

    def handle_info(self, message: object) -> None:
        self.seen.append(message)

    def history(self) -> list[object]:
        return list(self.seen)

    def take_gate(self) -> asyncio.Event:
        return self.gate


class Loud(Counter):
    def increment(self, by: int = 1) -> int:
        return super().increment(by * 100)


def test_a_call_returns_what_the_method_returns() -> None:
    async def scenario(system: System) -> None:
        counter = await system.start(Counter, 10)
        assert await counter.call(Counter.increment, 5) == 15
        assert await counter.call(Counter.increment) == 16

    run(scenario)


def test_a_base_class_method_reaches_the_override() -> None:
    async def scenario(system: System) -> None:
        loud = await system.start(Loud, 0)
        assert await loud.call(Counter.increment, 1) == 100

    run(scenario)


@pytest.mark.row("PR-02")
def test_messages_of_one_sender_arrive_in_the_order_in_which_they_were_sent() -> None:
    async def scenario(system: System) -> None:
        counter = await system.start(Counter)
        expected: list[object] = []
        for number in range(300):
            match number % 3:
                case 0:
                    counter.cast(Counter.increment, number)
                    expected.append(("increment", number))
                case 1:
                    counter.send(number)
                    expected.append(number)
                case _:
                    await counter.call(Counter.increment, number)
                    expected.append(("increment", number))
        assert await counter.call(Counter.history) == expected

    run(scenario)


def test_while_an_async_method_awaits_nothing_else_is_handled() -> None:
    async def scenario(system: System) -> None:
        counter = await system.start(Counter, 1)
        gate = await counter.call(Counter.take_gate)
        slow = asyncio.create_task(counter.call(Counter.slowly, 10))
        await asyncio.sleep(0)
        counter.cast(Counter.increment, 100)
        await asyncio.sleep(0)
        gate.set()
        assert await slow == 11
        assert await counter.call(Counter.history) == [("slowly", 10), ("increment", 100)]

    run(scenario)


def test_the_queued_path_and_the_inline_path_give_the_same_history() -> None:
    async def scenario(system: System) -> None:
        inline, queued = await system.start(Counter), await system.start(Counter)
        for number in range(50):
            await inline.call(Counter.increment, number)
        await asyncio.gather(*(queued.call(Counter.increment, number) for number in range(50)))
        busy = [
            asyncio.create_task(queued.call(Counter.increment, 50)),
            asyncio.create_task(queued.call(Counter.history)),
        ]
        await inline.call(Counter.increment, 50)
        assert (await asyncio.gather(*busy))[1] == await inline.call(Counter.history)

    run(scenario)


def test_a_deferred_answer_reaches_the_caller_whoever_gives_it() -> None:
    async def scenario(system: System) -> None:
        counter = await system.start(Counter)
        waiting = asyncio.create_task(counter.call(Counter.later))
        await asyncio.sleep(0)
        assert not waiting.done()
        counter.cast(Counter.answer, "now")
        assert await waiting == "now"

    run(scenario)


@pytest.mark.row("GS-09")
def test_a_deferred_answer_can_be_given_by_code_outside_the_process() -> None:
    class Desk(GenServer):
        def init(self, desk: list[Deferred[int]]) -> None:
            self.desk = desk

        def ask(self) -> Deferred[int]:
            deferred = self.defer(int)
            self.desk.append(deferred)
            return deferred

    async def scenario(system: System) -> None:
        desk: list[Deferred[int]] = []
        pid = await system.start(Desk, desk)
        questions = [asyncio.create_task(pid.call(Desk.ask)) for _ in range(2)]
        while len(desk) < 2:
            await asyncio.sleep(0)
        desk[1].reply(2)
        desk[1].reply(3)  # only the first counts
        desk[0].fail(LookupError("nobody"))
        assert await questions[1] == 2
        with pytest.raises(LookupError):
            await questions[0]

    run(scenario)


def test_a_method_that_raises_ends_the_process_and_tells_the_caller_why(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(system: System) -> None:
        counter = await system.start(Counter)
        with caplog.at_level(logging.ERROR), pytest.raises(ProcessDown, match="boom") as caught:
            await counter.call(Counter.boom)
        assert isinstance(caught.value.__cause__, ValueError)
        assert not counter.alive
        assert "Counter #1 crashed in boom: ValueError: boom" in caplog.text
        with pytest.raises(ProcessDown):
            await counter.call(Counter.increment)

    run(scenario)


def test_a_crash_fails_everybody_who_waits_for_the_process() -> None:
    async def scenario(system: System) -> None:
        counter = await system.start(Counter)
        deferred = asyncio.create_task(counter.call(Counter.later))
        await asyncio.sleep(0)
        counter.cast(Counter.boom)
        queued = asyncio.create_task(counter.call(Counter.increment))
        for waiting in (deferred, queued):
            with pytest.raises(ProcessDown, match="boom"):
                await waiting

    run(scenario)


def test_a_rejection_is_an_answer_and_the_process_lives_on() -> None:
    async def scenario(system: System) -> None:
        counter = await system.start(Counter)
        with pytest.raises(Rejected) as inline:
            await counter.call(Counter.refuse)
        counter.cast(Counter.increment)  # so that the next call has to queue
        with pytest.raises(Rejected) as queued:
            await counter.call(Counter.refuse)
        assert inline.value.reason == queued.value.reason == "because"
        assert await counter.call(Counter.increment) == 2

    run(scenario)


def test_a_call_gives_up_at_its_deadline_and_is_not_run_afterwards() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        counter = await system.start(Counter)
        gate = await counter.call(Counter.take_gate)
        slow = asyncio.create_task(counter.call(Counter.slowly, 1))
        late = asyncio.create_task(counter.within(2.0).call(Counter.increment, 100))
        await asyncio.sleep(0)
        clock.advance(2.0)
        with pytest.raises(DeadlineExceeded, match=r"increment within 2\.0 s"):
            await late
        gate.set()
        assert await slow == 1
        assert await counter.call(Counter.history) == [("slowly", 1)]

    run(scenario, clock)


def test_a_call_waits_five_seconds_unless_told_otherwise() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        counter = await system.start(Counter)
        waiting = asyncio.create_task(counter.call(Counter.later))
        patient = asyncio.create_task(counter.within(None).call(Counter.later))
        await asyncio.sleep(0)
        clock.advance(4.999)
        await asyncio.sleep(0)
        assert not waiting.done()
        clock.advance(0.001)
        with pytest.raises(DeadlineExceeded):
            await waiting
        counter.cast(Counter.answer, "at last")
        assert await patient == "at last"
        assert clock.pending == 0

    run(scenario, clock)


def test_a_cancelled_call_is_not_run() -> None:
    async def scenario(system: System) -> None:
        counter = await system.start(Counter)
        gate = await counter.call(Counter.take_gate)
        slow = asyncio.create_task(counter.call(Counter.slowly, 1))
        given_up = asyncio.create_task(counter.call(Counter.increment, 100))
        await asyncio.sleep(0)
        given_up.cancel()
        gate.set()
        assert await slow == 1
        assert await counter.call(Counter.increment) == 2

    run(scenario)


def test_a_process_that_calls_itself_is_told_so() -> None:
    async def scenario(system: System) -> None:
        counter = await system.start(Counter)
        with pytest.raises(ProcessDown) as caught:
            await counter.call(Counter.call_self)
        assert isinstance(caught.value.__cause__, CallingSelf)

    run(scenario)


def test_methods_that_do_not_exist_or_belong_to_the_runtime_cannot_be_called() -> None:
    async def scenario(system: System) -> None:
        counter = await system.start(Counter)
        for method in (Counter.init, Counter.terminate, Counter.handle_info, Counter.stop, Loud.increment, len):
            with pytest.raises(UnknownMethod, match="increment"):
                counter.cast(method)  # type: ignore[call-overload]  # that is the point
        assert counter.alive

    run(scenario)


def test_stop_ends_after_the_answer_and_drops_what_waits() -> None:
    async def scenario(system: System) -> None:
        counter = await system.start(Counter)
        counter.cast(Counter.increment)
        bye = asyncio.create_task(counter.call(Counter.leave))
        late = asyncio.create_task(counter.call(Counter.increment))
        assert await bye == "bye"
        with pytest.raises(ProcessDown) as caught:
            await late
        assert caught.value.reason is Exit.NORMAL
        assert await counter.wait() is Exit.NORMAL

    run(scenario)


def test_stopping_from_outside_lets_the_process_finish_what_was_sent_before() -> None:
    async def scenario(system: System) -> None:
        counter = await system.start(Counter)
        counter.cast(Counter.increment)
        answer = asyncio.create_task(counter.call(Counter.increment))
        await asyncio.sleep(0)
        await counter.stop()
        assert await answer == 2
        assert not counter.alive

    run(scenario)


class Careful(GenServer):
    def init(self, log: list[str], hang: bool = False) -> None:
        self.log = log
        self.hang = hang

    def boom(self) -> None:
        raise ValueError("boom")

    async def terminate(self, reason: object) -> None:
        self.log.append(f"terminate {reason}")
        if self.hang:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        self.log.append("clean")


def test_terminate_runs_on_a_stop_and_on_a_crash_but_not_on_a_kill() -> None:
    async def scenario(system: System) -> None:
        log: list[str] = []
        stopped, crashed, killed = [await system.start(Careful, log) for _ in range(3)]
        await stopped.stop()
        assert log == ["terminate Exit.NORMAL", "clean"]
        with pytest.raises(ProcessDown, match="boom"):
            await crashed.call(Careful.boom)
        await crashed.wait()
        assert log[2:] == ["terminate boom", "clean"]
        killed.kill()
        assert await killed.wait() is Exit.KILLED
        assert len(log) == 4

    run(scenario)


def test_a_process_that_takes_too_long_to_stop_is_reported_and_can_be_killed() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        log: list[str] = []
        careful = await system.start(Careful, log, hang=True)
        stopping = asyncio.create_task(careful.stop(timeout=3.0))
        while not log:
            await asyncio.sleep(0)
        clock.advance(3.0)
        with pytest.raises(DeadlineExceeded, match=r"end within 3\.0 s"):
            await stopping
        assert careful.alive
        careful.kill()
        assert await careful.wait() is Exit.KILLED
        assert log == ["terminate Exit.NORMAL"]

    run(scenario, clock)


@pytest.mark.row("PR-10", "PR-11")
def test_a_monitor_delivers_one_down_each_also_for_the_dead() -> None:
    async def scenario(system: System) -> None:
        observer, target = await system.start(Counter), await system.start(Counter, name="target")
        first = await observer.call(Counter.observe, target)
        second = await observer.call(Counter.observe, target)
        with pytest.raises(ProcessDown):
            await target.call(Counter.boom)
        third = await observer.call(Counter.observe, target)
        seen: list[object] = []
        while len(seen) < 3:
            await asyncio.sleep(0)
            seen = await observer.call(Counter.history)
        downs = [message for message in seen if isinstance(message, Down)]
        assert [down.monitor for down in downs] == [first, second, third]
        assert [isinstance(down.reason, ValueError) for down in downs] == [True, True, False]
        assert downs[2].reason is Exit.NO_PROCESS
        assert all(down.pid == target for down in downs)

    run(scenario)


@pytest.mark.row("PR-12")
def test_a_name_is_free_before_anybody_hears_of_the_end() -> None:
    async def scenario(system: System) -> None:
        target = await system.start(Counter, name="target")
        heard: list[Pid[object] | None] = []
        target.watch(lambda _: heard.append(system.whereis("target")))
        target.kill()
        assert heard == [None]

    run(scenario)


@pytest.mark.row("PR-03")
def test_sending_to_the_dead_is_silent_and_an_unknown_name_is_an_error() -> None:
    async def scenario(system: System) -> None:
        counter = await system.start(Counter, name="counter")
        counter.kill()
        counter.send("hello")
        counter.cast(Counter.increment)
        assert system.whereis("counter") is None
        with pytest.raises(NameUnknown, match="counter"):
            system.named(Counter, "counter")

    run(scenario)


@pytest.mark.row("PR-17")
def test_a_name_belongs_to_one_living_process() -> None:
    async def scenario(system: System) -> None:
        counter = await system.start(Counter, name="counter")
        with pytest.raises(NameTaken, match="counter"):
            await system.start(Counter, name="counter")
        assert system.whereis("counter") == counter
        await counter.stop()
        assert system.whereis("counter") is None
        again = await system.start(Counter, name="counter")
        assert system.named(Counter, "counter") == again != counter
        with pytest.raises(ProcessError, match="Careful"):
            system.named(Careful, "counter")

    run(scenario)


def test_a_start_waits_for_init_and_fails_with_it() -> None:
    class Slow(GenServer):
        async def init(self, log: list[str], fail: bool) -> None:
            await asyncio.sleep(0)
            log.append("init")
            if fail:
                raise OSError("no disk")

        def ping(self) -> str:
            return "pong"

    async def scenario(system: System) -> None:
        log: list[str] = []
        slow = await system.start(Slow, log, fail=False)
        assert log == ["init"]
        assert await slow.call(Slow.ping) == "pong"
        with pytest.raises(StartFailed, match="no disk") as caught:
            await system.start(Slow, log, fail=True, name="slow")
        assert isinstance(caught.value.__cause__, OSError)
        assert system.whereis("slow") is None

    run(scenario)


def test_a_cancelled_start_leaves_no_process_behind() -> None:
    class Endless(GenServer):
        async def init(self) -> None:
            await asyncio.Event().wait()

    async def scenario(system: System) -> None:
        starting = asyncio.create_task(system.start(Endless, name="endless"))
        await asyncio.sleep(0)
        assert system.whereis("endless") is not None
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert system.whereis("endless") is None

    run(scenario)


def test_a_full_mailbox_refuses_and_keeps_what_it_has() -> None:
    async def scenario(system: System) -> None:
        counter = await system.start(Counter, capacity=2)
        counter.cast(Counter.increment, 1)
        counter.cast(Counter.increment, 2)
        counter.cast(Counter.increment, 3)
        counter.send("hello")
        with pytest.raises(MailboxFull, match="2 messages"):
            await counter.call(Counter.increment, 4)
        assert counter.process.mailbox.dropped == 3
        await asyncio.sleep(0)
        assert await counter.call(Counter.history) == [("increment", 1), ("increment", 2)]

    run(scenario)


def test_a_message_that_no_one_handles_is_reported_and_dropped(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(system: System) -> None:
        careful = await system.start(Careful, [])
        careful.send("hello")
        await careful.stop()
        assert "'hello'" in caplog.text

    run(scenario)


def test_only_a_gen_server_class_can_be_started_and_only_in_a_running_system() -> None:
    async def scenario(system: System) -> None:
        for thing in (GenServer, int, Counter()):
            with pytest.raises(DefinitionError):
                await system.start(thing)  # type: ignore[arg-type, type-var]  # that is the point

    run(scenario)
    with pytest.raises(ProcessError, match="not running"):
        System("idle").whereis("anybody")


def test_leaving_the_system_ends_all_processes_last_started_first() -> None:
    log: list[str] = []

    class Member(GenServer):
        def init(self, label: str) -> None:
            self.label = label

        def terminate(self, reason: object) -> None:
            log.append(f"{self.label} {reason}")

    async def scenario(system: System) -> None:
        for label in ("first", "second", "third"):
            await system.start(Member, label)

    run(scenario)
    assert log == ["third Exit.SHUTDOWN", "second Exit.SHUTDOWN", "first Exit.SHUTDOWN"]


def test_many_calls_in_a_row_let_the_event_loop_run() -> None:
    async def scenario(system: System) -> None:
        counter = await system.start(Counter)
        ticks = 0

        def tick() -> None:
            nonlocal ticks
            ticks += 1
            asyncio.get_running_loop().call_soon(tick)

        tick()
        for _ in range(10_000):
            await counter.call(Counter.increment)
        assert ticks >= 10

    run(scenario)
