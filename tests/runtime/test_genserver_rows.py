"""What OTP's GenServer promises, row by row, where test_genserver doesn't show it already."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

import pytest

from headwater import Deferred, Down, Exit, GenServer, Pid, Rejected, System
from headwater.errors import (
    CallingSelf,
    DeadlineExceeded,
    DefinitionError,
    MailboxFull,
    NameTaken,
    ProcessDown,
    StartFailed,
    StartIgnored,
    UnknownMethod,
)
from headwater.runtime.exits import Reason, Shutdown
from headwater.testing.clock import VirtualClock

from .driving import Probe, linked, run, settle


class Starting(GenServer):
    """A process whose `init` goes as told."""

    async def init(self, log: list[str], how: str = "well", gate: asyncio.Event | None = None) -> None:
        log.append("init")
        match how:
            case "ignore":
                raise StartIgnored("not today")
            case "fail":
                raise OSError("no disk")
            case "hang":
                await asyncio.Event().wait()
            case "continue":
                self.then(Starting.load, log, 1)
            case "stop":
                self.stop(Shutdown("at once"))
        if gate is not None:
            await gate.wait()
        log.append("ready")

    def load(self, log: list[str], step: int) -> None:
        log.append(f"load {step}")
        if step < 3:
            self.then(Starting.load, log, step + 1)

    def ping(self) -> str:
        return "pong"


@pytest.mark.row("GS-01")
def test_a_start_returns_when_init_has_finished_and_not_before() -> None:
    async def scenario(system: System) -> None:
        log: list[str] = []
        gate = asyncio.Event()
        starting = asyncio.create_task(system.start(Starting, log, gate=gate, name="starting"))
        await settle()
        assert (log, starting.done()) == (["init"], False)
        early = system.whereis("starting")
        assert early is not None
        gate.set()
        assert await starting == early
        assert log == ["init", "ready"]
        with pytest.raises(StartFailed, match="no disk") as caught:
            await system.start(Starting, log, "fail")
        assert isinstance(caught.value.__cause__, OSError)

    run(scenario)


@pytest.mark.row("GS-03")
def test_init_may_say_that_the_process_is_not_needed() -> None:
    async def scenario(system: System) -> None:
        with pytest.raises(StartIgnored, match="not today"):
            await system.start(Starting, [], "ignore", name="ignored")
        assert system.whereis("ignored") is None

    run(scenario)


@pytest.mark.row("GS-03", "GS-11")
def test_init_may_continue_before_any_message_that_waits() -> None:
    async def scenario(system: System) -> None:
        log: list[str] = []
        gate = asyncio.Event()
        starting = asyncio.create_task(system.start(Starting, log, "continue", gate=gate, name="starting"))
        await settle()
        early = system.named(Starting, "starting")
        ping = asyncio.create_task(early.call(Starting.ping))
        ping.add_done_callback(lambda _: log.append("pong"))
        await settle()
        gate.set()
        await starting
        assert await ping == "pong"
        await settle()
        assert log == ["init", "ready", "load 1", "load 2", "load 3", "pong"]

    run(scenario)


@pytest.mark.row("GS-03")
def test_init_may_stop() -> None:
    async def scenario(system: System) -> None:
        pid = await system.start(Starting, [], "stop")
        assert await pid.wait() == Shutdown("at once")

    run(scenario)


@pytest.mark.row("GS-04")
def test_an_init_that_takes_too_long_is_ended() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        starting = asyncio.create_task(system.start(Starting, [], "hang", timeout=2.0, name="slow"))
        await settle()
        clock.advance(1.9)
        await settle()
        assert not starting.done()
        clock.advance(0.1)
        with pytest.raises(StartFailed, match=r"not ready within 2\.0 s"):
            await starting
        assert system.whereis("slow") is None

    run(scenario, clock)


@pytest.mark.row("GS-05")
def test_a_call_is_answered_or_raises_what_happened() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        server = await system.start(Probe)
        assert await server.call(Probe.do, lambda _: 7) == 7
        gate = asyncio.Event()

        async def wait(_: Probe) -> None:
            await gate.wait()

        async def call_self(probe: Probe) -> None:
            await probe.pid.call(Probe.history)

        slow = asyncio.create_task(server.call(Probe.do_async, wait))
        await settle()
        clock.advance(5.0)  # what a call waits unless told otherwise
        with pytest.raises(DeadlineExceeded):
            await slow
        gate.set()
        with pytest.raises(ProcessDown) as caught:
            await server.call(Probe.do_async, call_self)
        assert isinstance(caught.value.__cause__, CallingSelf)
        with pytest.raises(ProcessDown) as dead:
            await server.call(Probe.history)
        assert isinstance(dead.value.reason, CallingSelf)

    run(scenario, clock)


@pytest.mark.row("GS-06")
def test_a_late_answer_is_dropped() -> None:
    clock = VirtualClock()
    kept: list[Deferred[str]] = []

    class Late(GenServer):
        def ask(self) -> Deferred[str]:
            kept.append(self.defer(str))
            return kept[-1]

    async def scenario(system: System) -> None:
        late = await system.start(Late)
        asked = asyncio.create_task(late.call(Late.ask))
        await settle()
        clock.advance(5.0)
        with pytest.raises(DeadlineExceeded):
            await asked
        assert kept[0].abandoned
        kept[0].reply("too late")
        again = asyncio.create_task(late.call(Late.ask))
        await settle()
        kept[1].reply("in time")
        assert await again == "in time"

    run(scenario, clock)


@pytest.mark.row("GS-07")
def test_a_cast_never_fails_whatever_happens_to_it() -> None:
    class Small(Probe):
        capacity = 1

    async def scenario(system: System) -> None:
        small = await system.start(Small)
        for _ in range(3):
            small.cast(Probe.history)
        small.kill()
        small.cast(Probe.history)
        small.send("hello")
        assert await small.wait() is Exit.KILLED

    run(scenario)


@pytest.mark.row("GS-08")
def test_a_method_answers_defers_stops_or_is_unknown() -> None:
    class Server(Probe):
        def answer(self) -> int:
            return 1

        def answer_later(self) -> Deferred[int]:
            deferred = self.defer(int)
            deferred.reply(2)
            return deferred

        def stop_with_answer(self) -> int:
            self.stop(Shutdown("told to"))
            return 3

    class Other(GenServer):
        def unknown(self) -> None: ...

    async def scenario(system: System) -> None:
        server = await system.start(Server)
        assert await server.call(Server.answer) == 1
        assert await server.call(Server.answer_later) == 2
        with pytest.raises(UnknownMethod, match=r"Server has no public method .*Other\.unknown"):
            await server.call(Other.unknown)  # type: ignore[call-overload]  # that is the point
        assert server.alive, "it is the caller's mistake"
        with pytest.raises(ProcessDown, match="TypeError"):
            await server.call(Server.answer, 1, 2)  # type: ignore[call-overload]  # that is the point
        again = await system.start(Server)
        assert await again.call(Server.stop_with_answer) == 3
        assert await again.wait() == Shutdown("told to")

    run(scenario)


@pytest.mark.row("GS-10")
def test_an_unknown_message_is_logged_and_a_cast_that_raises_ends_the_process(caplog: pytest.LogCaptureFixture) -> None:
    class Plain(GenServer):
        def fail(self) -> None:
            raise LookupError("nothing there")

    async def scenario(system: System) -> None:
        plain = await system.start(Plain)
        plain.send({"what": 1})
        await settle()
        assert plain.alive
        assert "{'what': 1}" in caplog.text
        plain.cast(Plain.fail)
        assert isinstance(await plain.wait(), LookupError)

    run(scenario)


@pytest.mark.row("GS-12")
def test_an_idle_timeout_comes_only_if_no_message_comes() -> None:
    clock = VirtualClock()

    class Sleepy(Probe):
        def doze(self, seconds: float) -> None:
            self.wait_for_message(seconds, otherwise="nobody came")

    async def scenario(system: System) -> None:
        sleepy = await system.start(Sleepy)
        await sleepy.call(Sleepy.doze, 2.0)
        clock.advance(1.9)
        sleepy.send("somebody")
        await settle()
        clock.advance(10.0)
        await settle()
        assert await sleepy.call(Probe.history) == ["somebody"]
        await sleepy.call(Sleepy.doze, 2.0)
        assert await sleepy.call(Probe.history) == ["somebody"]  # a call is a message too
        clock.advance(10.0)
        await sleepy.call(Sleepy.doze, 2.0)
        clock.advance(2.0)
        await settle()
        assert await sleepy.call(Probe.history) == ["somebody", "nobody came"]

    run(scenario, clock)


@pytest.mark.row("GS-14")
@pytest.mark.parametrize(
    ("how", "reason"),
    [("stop", Exit.NORMAL), ("raise", "boom"), ("parent", Exit.SHUTDOWN), ("kill", None), ("untrapped", None)],
)
def test_terminate_runs_exactly_when_otp_runs_it(how: str, reason: object) -> None:
    async def scenario(system: System) -> None:
        parent = await system.start(Probe, trap=True)
        log: list[object] = []
        child = await _child_of(parent, log, trap=how in ("parent", "kill"))
        match how:
            case "stop":
                await child.stop()
            case "raise":
                with pytest.raises(ProcessDown):
                    await child.call(Probe.do, _raise)
            case "parent":
                await parent.call(Probe.do, lambda probe: probe.exit(child, Exit.SHUTDOWN))
            case "kill":
                child.kill()
            case _:
                child.exit(Exit.SHUTDOWN)
        await child.wait()
        heard = [entry[1] for entry in log if isinstance(entry, tuple) and entry[0] == "terminate"]
        assert [str(entry) if isinstance(entry, Exception) else entry for entry in heard] == (
            [reason] if reason else []
        )

    run(scenario)


def _raise(_: Probe) -> None:
    raise ValueError("boom")


async def _child_of(parent: Pid[Probe], log: list[object], *, trap: bool) -> Pid[Probe]:
    from headwater.runtime.spawn import spawn

    process = await spawn(parent.process.node, Probe, (log, trap), {}, parent=parent.process)
    return Pid(process)


@pytest.mark.row("GS-15", "GS-16")
def test_a_crash_report_names_process_message_and_cause_and_can_be_redacted(caplog: pytest.LogCaptureFixture) -> None:
    class Secretive(Probe):
        def log_in(self, password: str) -> None:
            raise PermissionError("wrong password")

        def format_crash(self, report: Mapping[str, object]) -> Mapping[str, object]:
            return {**report, "message": "log_in(…)"}

    async def scenario(system: System) -> None:
        open_one, secretive = await system.start(Probe), await system.start(Secretive, name="safe")
        with pytest.raises(ProcessDown):
            await open_one.call(Probe.do, _raise)
        assert "crashed in do: ValueError: boom; message: do(<function _raise" in caplog.text
        caplog.clear()
        with pytest.raises(ProcessDown):
            await secretive.call(Secretive.log_in, "hunter2")
        assert "Secretive 'safe' crashed in log_in: PermissionError: wrong password; message: log_in(…)" in caplog.text
        assert "hunter2" not in "".join(record.getMessage() for record in caplog.records)

    run(scenario)


@pytest.mark.row("GS-15")
@pytest.mark.parametrize("reason", [Exit.NORMAL, Exit.SHUTDOWN, Shutdown("later")])
def test_a_good_end_is_not_reported(reason: Reason, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(system: System) -> None:
        with caplog.at_level(logging.INFO):
            await (await system.start(Probe)).stop(reason)
        assert caplog.text == ""

    run(scenario)


@pytest.mark.row("GS-18")
def test_stop_waits_returns_at_the_end_and_tells_of_another_reason() -> None:
    async def scenario(system: System) -> None:
        log: list[object] = []
        pid = await system.start(Probe, log)
        await pid.stop()
        assert log == [("terminate", Exit.NORMAL)]
        with pytest.raises(ProcessDown):
            await pid.stop()

        class Bad(Probe):
            def terminate(self, reason: object) -> None:
                raise OSError("cannot clean up")

        bad = await system.start(Bad)
        with pytest.raises(ProcessDown, match="cannot clean up"):
            await bad.stop()

    run(scenario)


@pytest.mark.row("GS-20")
def test_a_name_leads_to_its_process_or_to_nobody() -> None:
    async def scenario(system: System) -> None:
        pid = await system.start(Probe, name="probe")
        assert system.whereis("probe") == pid
        assert system.whereis("nobody") is None

    run(scenario)


@pytest.mark.row("GS-02")
def test_a_name_that_is_taken_is_refused_and_says_by_whom() -> None:
    async def scenario(system: System) -> None:
        nameless, named = await system.start(Probe), await system.start(Probe, name="probe")
        assert (nameless.name, named.name) == (None, "probe")
        with pytest.raises(NameTaken, match="Probe 'probe'"):
            await system.start(Probe, name="probe")
        assert system.whereis("probe") == named

    run(scenario)


@pytest.mark.row("GS-22")
def test_a_method_that_gives_nonsense_harms_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a method returns is its answer: there is no bad return value, only bad arguments."""

    async def scenario(system: System) -> None:
        pid = await system.start(Probe)
        thing = object()
        assert await pid.call(Probe.do, lambda _: thing) is thing
        assert pid.alive

    run(scenario)


# --- ours ------------------------------------------------------------------------------------------------------


@pytest.mark.row("BR-01")
def test_a_call_whose_caller_has_given_up_is_dropped_and_counted() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        server = await system.start(Probe)
        gate = asyncio.Event()

        async def wait(_: Probe) -> None:
            await gate.wait()

        blocking = asyncio.create_task(server.within(None).call(Probe.do_async, wait))
        await settle()
        late = [
            asyncio.create_task(server.within(1.0).call(Probe.do, lambda probe: probe.log.append(1))) for _ in range(3)
        ]
        cancelled = asyncio.create_task(server.call(Probe.do, lambda probe: probe.log.append(2)))
        await settle()
        clock.advance(1.0)
        cancelled.cancel()
        gate.set()
        await blocking
        results = await asyncio.gather(*late, return_exceptions=True)
        assert [type(result) for result in results] == [DeadlineExceeded] * 3
        assert await server.call(Probe.history) == []
        assert server.process.expired == 4

    run(scenario, clock)


@pytest.mark.row("BR-02")
@pytest.mark.parametrize("policy", ["reject", "drop_newest", "drop_oldest"])
def test_a_full_mailbox_follows_its_policy_and_counts(policy: str) -> None:
    clock = VirtualClock()

    class Small(Probe):
        capacity = 2
        overflow = policy  # type: ignore[assignment]  # one of the policies

    async def scenario(system: System) -> None:
        small = await system.start(Small)
        small.process.suspend()
        first = asyncio.create_task(small.call(Probe.do, lambda probe: probe.log.append("first")))
        await settle()
        small.send("second")
        small.send("third")
        call = asyncio.create_task(small.call(Probe.do, lambda probe: probe.log.append("fourth")))
        await settle()
        small.process.resume()
        await settle()
        clock.advance(5.0)
        results = [type(result) for result in await asyncio.gather(first, call, return_exceptions=True)]
        history = await small.call(Probe.history)
        dropped = small.process.mailbox.dropped
        match policy:
            case "reject":
                assert (history, results) == (["first", "second"], [type(None), MailboxFull])
            case "drop_newest":
                assert (history, results) == (["first", "second"], [type(None), DeadlineExceeded])
            case _:
                assert (history, results) == (["third", "fourth"], [MailboxFull, type(None)])
        assert dropped == 2

    run(scenario, clock)


def test_a_bad_policy_is_refused_at_the_start() -> None:
    class Odd(Probe):
        overflow = "panic"  # type: ignore[assignment]  # that is the point

    async def scenario(system: System) -> None:
        with pytest.raises(DefinitionError, match="reject, drop_newest, drop_oldest"):
            await system.start(Odd)
        with pytest.raises(DefinitionError, match="at least 1"):
            await system.start(Probe, capacity=0)

    run(scenario)


def test_a_rejection_inside_a_cast_ends_the_process() -> None:
    """Nobody is there to take it as an answer."""

    def refuse(_: Probe) -> None:
        raise Rejected("no")

    async def scenario(system: System) -> None:
        one, other = await system.start(Probe), await system.start(Probe, trap=True)
        await linked(one, other)
        one.cast(Probe.do, refuse)
        assert isinstance(await one.wait(), Rejected)
        assert other.alive

    run(scenario)


def test_a_mailbox_that_drops_the_oldest_never_drops_a_signal() -> None:
    class Small(Probe):
        capacity = 2
        overflow = "drop_oldest"

    async def scenario(system: System) -> None:
        small, friend = await system.start(Small), await system.start(Probe)
        await small.call(Probe.watch, friend, "friend")
        small.process.suspend()
        friend.kill()
        for number in range(4):
            small.send(number)
        small.process.resume()
        await settle()
        down, *rest = await small.call(Probe.history)
        assert isinstance(down, Down)
        assert rest == [3]
        assert small.process.mailbox.dropped == 3

    run(scenario)
