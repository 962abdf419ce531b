"""Selective receive: one message out of order, and everything else as it was."""

from __future__ import annotations

import asyncio
import logging
import operator
from collections.abc import Callable
from functools import partial

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import Down, Exit, Exited, GenServer, Pid, System
from headwater.errors import DeadlineExceeded, DefinitionError, ProcessDown, ProcessError
from headwater.runtime import introspect
from headwater.runtime.process_info import info
from headwater.testing.clock import VirtualClock
from tests.runtime.driving import run, settle


class Ready(msgspec.Struct, frozen=True):
    number: int


class Reader(GenServer):
    """Receives what it is told to, and notes in which order it hears of what."""

    def init(self, trap: bool = False) -> None:
        self.trap_exit = trap
        self.heard: list[object] = []

    def handle_info(self, message: object) -> None:
        self.heard.append(message)

    async def read(self, matching: type | Callable[[object], bool], timeout: float | None = 5.0) -> object:
        message = await self.receive(matching, timeout)
        self.heard.append(("received", message))
        return message

    async def read_watched(self, pid: Pid[object]) -> Down:
        number = self.monitor(pid)
        pid.kill()
        down: object = await self.receive(lambda message: isinstance(message, Down) and message.monitor == number)
        assert isinstance(down, Down)
        return down

    async def read_linked(self, pid: Pid[object]) -> Exited:
        self.link(pid)
        pid.exit(Exit.SHUTDOWN)
        return await self.receive(Exited)

    async def read_after(self, delay: float) -> object:
        self.send_after(delay, Ready(7))
        return await self.receive(Ready, None)

    async def read_two_at_once(self) -> None:
        await asyncio.gather(self.receive(Ready), self.receive(Ready))

    async def read_patiently(self, patience: float) -> object:
        """Gives up waiting by itself, and reads again."""
        try:
            async with asyncio.timeout(patience):
                return await self.receive(Ready, None)
        except TimeoutError:
            return await self.receive(Ready)

    async def hold(self, gate: asyncio.Event) -> object:
        await gate.wait()
        return await self.receive(Ready, 1.0)

    async def drop(self, pid: Pid[object], gate: asyncio.Event) -> None:
        """Waits for the end of a process, which it then no longer wants to hear of."""
        number = self.monitor(pid)
        waiting = asyncio.ensure_future(self.receive(Down, 1.0))
        await gate.wait()
        pid.kill()  # its `Down` has come
        self.demonitor(pid, number)
        with pytest.raises(DeadlineExceeded):
            await waiting

    def hear(self) -> list[object]:
        return list(self.heard)

    def note(self, what: object) -> None:
        self.heard.append(what)


class Late(GenServer):
    async def init(self, starter: Callable[[Pid[object]], None]) -> None:
        starter(self.pid)
        self.first = await self.receive(Ready)

    async def terminate(self, _: object) -> None:
        self.pid.send(Ready(9))
        self.last = await self.receive(Ready)
        print("terminated with", self.last)


class Friend(GenServer):
    pass


def _explode(_: object) -> bool:
    raise ZeroDivisionError


@pytest.mark.row("PR-04")
def test_the_first_message_that_matches_is_taken_and_the_others_stay_in_order() -> None:
    async def scenario(system: System) -> None:
        reader = await system.start(Reader)
        gate = asyncio.Event()
        held = asyncio.ensure_future(reader.call(Reader.hold, gate))
        await settle()
        reader.cast(Reader.note, Ready(0))  # a cast is no message that is received, whatever it carries
        for message in ("a", Ready(1), "b", Ready(2), "c"):
            reader.send(message)
        gate.set()
        assert await held == Ready(1)
        assert await reader.call(Reader.hear) == [Ready(0), "a", "b", Ready(2), "c"]

    run(scenario)


@pytest.mark.row("PR-04")
def test_it_waits_for_the_first_one_to_come_while_others_queue() -> None:
    async def scenario(system: System) -> None:
        reader = await system.start(Reader)
        read = asyncio.ensure_future(reader.call(Reader.read, lambda message: message == 3))
        await settle()
        reader.cast(Reader.note, "cast")
        for number in range(5):
            reader.send(number)
        assert info(reader).state == "awaiting"
        assert await read == 3
        assert await reader.call(Reader.hear) == [("received", 3), "cast", 0, 1, 2, 4]
        assert info(reader).handled == 1 + 1 + 5 + 1  # the read, the cast, the messages, this question

    run(scenario)


@pytest.mark.row("PR-04")
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans())), st.lists(st.integers(0, 3), max_size=3))
def test_whatever_waits_and_comes_nothing_is_lost_doubled_or_reordered(
    sent: list[tuple[int, bool]], wanted: list[int]
) -> None:
    """Against a model: a list from which the first match is taken. The flags say before which message others run."""

    async def scenario(system: System) -> None:
        reader = await system.start(Reader)
        for number in wanted:
            reader.cast(Reader.read, partial(operator.eq, number), None)
        for number, pause in sent:
            reader.send(number)
            if pause:
                await settle()
        await settle()
        expected, left = [], [number for number, _ in sent]
        for number in wanted:
            if number not in left:
                break  # it waits for ever, and nothing behind it is handled
            left.remove(number)
            expected.append(("received", number))
        else:
            assert await reader.call(Reader.hear) == [*expected, *left]
            return
        assert [waiting[1] for waiting in reader.process.mailbox if waiting[0].name == "handle_info"] == left
        reader.kill()

    run(scenario)


@pytest.mark.row("PR-04")
def test_if_none_comes_in_time_the_handler_gets_an_error_and_nothing_is_lost() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        reader = await system.start(Reader)
        read = asyncio.ensure_future(reader.within(None).call(Reader.read, Ready, 2.0))
        await settle()
        reader.send("other")
        clock.advance(1.9)
        await settle()
        assert not read.done()
        clock.advance(0.1)
        with pytest.raises(ProcessDown) as down:
            await read
        assert isinstance(down.value.reason, DeadlineExceeded)
        assert "received no Ready within 2.0 s" in str(down.value.reason)

    run(scenario, clock)


@pytest.mark.row("PR-04")
def test_a_handler_that_survives_its_deadline_goes_on_and_late_messages_are_plain_ones() -> None:
    clock = VirtualClock()

    class Patient(Reader):
        async def try_read(self) -> object:
            try:
                return await self.receive(Ready, 1.0)
            except DeadlineExceeded:
                return "none"

    async def scenario(system: System) -> None:
        reader = await system.start(Patient)
        read = asyncio.ensure_future(reader.call(Patient.try_read))
        await settle()
        clock.advance(1.0)
        assert await read == "none"
        reader.send(Ready(1))
        assert await reader.call(Patient.hear) == [Ready(1)]

    run(scenario, clock)


@pytest.mark.row("PR-04", "PR-11")
def test_a_down_is_received() -> None:
    async def scenario(system: System) -> None:
        reader, friend = await system.start(Reader), await system.start(Friend)
        down = await reader.call(Reader.read_watched, friend)
        assert down.reason is Exit.KILLED
        assert down.pid == friend
        assert await reader.call(Reader.hear) == []

    run(scenario)


@pytest.mark.row("PR-04", "PR-08")
def test_a_trapped_exit_is_received() -> None:
    async def scenario(system: System) -> None:
        reader, friend = await system.start(Reader, trap=True), await system.start(Friend)
        exited = await reader.call(Reader.read_linked, friend)
        assert (exited.pid, exited.reason) == (friend, Exit.SHUTDOWN)

    run(scenario)


@pytest.mark.row("PR-04", "PR-07")
@pytest.mark.parametrize("reason", [Exit.SHUTDOWN, Exit.KILL], ids=str)
def test_an_exit_ends_the_wait_with_the_process(reason: Exit, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(system: System) -> None:
        reader = await system.start(Reader, trap=reason is Exit.KILL)
        read = asyncio.ensure_future(reader.call(Reader.read, Ready, None))
        await settle()
        reader.exit(reason)
        reader.send(Ready(1))
        with pytest.raises(ProcessDown):
            await read
        await settle()
        assert not reader.alive
        assert len(reader.process.mailbox) == 0

    run(scenario)
    assert not caplog.records


@pytest.mark.row("PR-04", "PR-14")
def test_a_timers_message_is_received() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        reader = await system.start(Reader)
        read = asyncio.ensure_future(reader.within(None).call(Reader.read_after, 60.0))
        await settle()
        clock.advance(60.0)
        assert await read == Ready(7)

    run(scenario, clock)


@pytest.mark.row("PR-04")
def test_it_works_in_an_async_init_and_in_terminate(capsys: pytest.CaptureFixture[str]) -> None:
    async def scenario(system: System) -> None:
        late = await system.start(Late, lambda pid: pid.send(Ready(1)))
        assert (await introspect.get_state(late))["first"] == Ready(1)
        await late.stop()

    run(scenario)
    assert capsys.readouterr().out == "terminated with Ready(number=9)\n"


@pytest.mark.row("PR-04", "SY-03")
def test_a_request_to_suspend_waits_like_any_other_and_then_nothing_is_taken() -> None:
    async def scenario(system: System) -> None:
        reader = await system.start(Reader)
        read = asyncio.ensure_future(reader.call(Reader.read, Ready))
        suspended = asyncio.ensure_future(introspect.suspend(reader))
        await settle()
        assert not suspended.done()
        reader.send(Ready(1))
        assert await read == Ready(1)
        await suspended
        again = asyncio.ensure_future(reader.call(Reader.read, Ready))
        await settle()
        reader.send(Ready(2))
        await settle()
        assert not again.done()
        await introspect.resume(reader)
        assert await again == Ready(2)

    run(scenario)


@pytest.mark.row("PR-04", "SY-06", "SY-08")
def test_observers_see_what_is_received_and_a_measured_mailbox_stays_right() -> None:
    async def scenario(system: System) -> None:
        reader = await system.start(Reader)
        await introspect.keep_log(reader)
        read = asyncio.ensure_future(reader.call(Reader.read, Ready))
        await settle()
        introspect.measure(reader)  # while it waits: the mailbox is exchanged, and it hears of the message all the same
        reader.send("before")
        reader.send(Ready(1))
        assert await read == Ready(1)
        assert await reader.call(Reader.hear) == [("received", Ready(1)), "before"]
        assert introspect.statistics(reader).oldest is None
        taken = [(event.method, event.arguments) for event in introspect.get_log(reader) if event.kind == "in"]
        assert taken[1:3] == [("handle_info", (Ready(1),)), ("handle_info", ("before",))]

    run(scenario)


@pytest.mark.row("PR-04", "BR-02")
def test_the_mailbox_keeps_its_bound_meanwhile() -> None:
    async def scenario(system: System) -> None:
        reader = await system.start(Reader, capacity=2)
        read = asyncio.ensure_future(reader.call(Reader.read, Ready))
        await settle()
        for message in (1, 2, 3, Ready(1)):
            reader.send(message)
        await settle()
        assert not read.done()
        assert info(reader).dropped == 2
        reader.kill()
        with pytest.raises(ProcessDown):
            await read

    run(scenario)


@pytest.mark.row("PR-04", "BR-02")
def test_a_message_that_is_dropped_for_a_later_one_before_it_is_taken_is_not_received() -> None:
    class Small(Reader):
        overflow = "drop_oldest"

    async def scenario(system: System) -> None:
        reader = await system.start(Small, capacity=1)
        read = asyncio.ensure_future(reader.call(Reader.read, Ready))
        await settle()
        reader.send(Ready(1))
        reader.send(Ready(2))  # in the same turn: the first is gone before the reader runs
        assert await read == Ready(2)
        assert await reader.call(Reader.hear) == [("received", Ready(2))]

    run(scenario)


@pytest.mark.row("PR-04", "PR-10")
def test_what_is_forgotten_before_it_is_taken_is_not_received() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        reader, friend = await system.start(Reader), await system.start(Friend)
        gate = asyncio.Event()
        dropped = asyncio.ensure_future(reader.call(Reader.drop, friend, gate))
        await settle()
        gate.set()
        await settle()
        clock.advance(1.0)
        await dropped

    run(scenario, clock)


@pytest.mark.row("PR-04")
def test_a_wait_that_the_handler_gives_up_takes_no_message_along() -> None:
    async def scenario(system: System) -> None:
        reader = await system.start(Reader)
        read = asyncio.ensure_future(reader.call(Reader.read_patiently, 0.001))
        await asyncio.wait([read], timeout=0.01)
        reader.send(Ready(1))
        assert await read == Ready(1)

    run(scenario)


@pytest.mark.row("PR-04")
def test_a_function_that_raises_harms_the_one_who_waits_and_not_the_sender() -> None:
    logging.disable()

    async def scenario(system: System) -> None:
        reader = await system.start(Reader)
        read = asyncio.ensure_future(reader.call(Reader.read, _explode))
        await settle()
        reader.send(0)
        with pytest.raises(ProcessDown) as down:
            await read
        assert isinstance(down.value.reason, ZeroDivisionError)

    run(scenario)
    logging.disable(logging.NOTSET)


@pytest.mark.row("PR-04")
def test_it_belongs_in_an_async_method_of_the_process_one_at_a_time() -> None:
    async def scenario(system: System) -> None:
        reader = await system.start(Reader)
        with pytest.raises(ProcessError, match="async method of the process itself"):
            await reader.process.server.receive(Ready)  # type: ignore[attr-defined]  # what nobody should do
        with pytest.raises(ProcessDown) as down:
            await reader.call(Reader.read_two_at_once)
        assert "one at a time" in str(down.value.reason)
        other = await system.start(Reader)
        with pytest.raises(ProcessDown) as down:
            await other.call(Reader.read, "ready")  # type: ignore[call-overload]  # what a type checker would tell
        assert isinstance(down.value.reason, DefinitionError)

    logging.disable()
    run(scenario)
    logging.disable(logging.NOTSET)
