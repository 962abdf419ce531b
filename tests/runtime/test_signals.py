"""Links, monitors and exit signals, as OTP's processes have them."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from itertools import pairwise

import pytest

from headwater import Down, Exit, Pid, System
from headwater.errors import ProcessDown
from headwater.runtime.down import Exited
from headwater.runtime.exits import Reason, Shutdown
from headwater.testing.clock import VirtualClock

from .driving import Probe, linked, run, settle

CRASH = ValueError("boom")


async def probes(system: System, count: int, *, trap: bool = False) -> list[Pid[Probe]]:
    return [await system.start(Probe, trap=trap) for _ in range(count)]


@pytest.mark.row("PR-01")
def test_a_crash_touches_no_process_that_is_not_tied_to_it() -> None:
    async def scenario(system: System) -> None:
        one, other = await probes(system, 2)
        one.exit(CRASH)
        assert await one.wait() is CRASH
        assert other.alive
        assert await other.call(Probe.history) == []

    run(scenario)


@pytest.mark.row("PR-05")
@pytest.mark.parametrize("first", [0, 1])
def test_a_link_works_in_both_directions_and_there_is_at_most_one(first: int) -> None:
    async def scenario(system: System) -> None:
        pair = await probes(system, 2, trap=True)
        for _ in range(3):
            await linked(*pair)
        await linked(pair[1], pair[0])
        pair[first].kill()
        other = pair[1 - first]
        assert await other.call(Probe.history) == [Exited(pair[first], Exit.KILLED)]

    run(scenario)


@pytest.mark.row("PR-05")
def test_after_unlinking_nothing_is_shared() -> None:
    async def scenario(system: System) -> None:
        one, other = await probes(system, 2)
        await linked(one, other)
        await other.call(Probe.do, lambda probe: probe.unlink(one))
        await other.call(Probe.do, lambda probe: probe.unlink(one))
        one.exit(CRASH)
        assert other.alive

    run(scenario)


@pytest.mark.row("PR-06")
def test_a_link_to_the_dead_is_an_exit_signal_at_once() -> None:
    async def scenario(system: System) -> None:
        dead, trapping, other = [
            *await probes(system, 1),
            *await probes(system, 1, trap=True),
            *await probes(system, 1),
        ]
        dead.kill()
        await linked(trapping, dead)
        assert await trapping.call(Probe.history) == [Exited(dead, Exit.NO_PROCESS)]
        await linked(other, dead)
        assert await other.wait() is Exit.NO_PROCESS

    run(scenario)


@pytest.mark.row("PR-07")
@pytest.mark.parametrize("reason", [CRASH, Exit.SHUTDOWN, Shutdown("why"), Exit.KILLED])
def test_an_untrapped_signal_ends_the_process_with_the_same_reason_all_along_the_chain(reason: Reason) -> None:
    async def scenario(system: System) -> None:
        chain = await probes(system, 2_000)  # far more than Python's stack would bear
        for left, right in pairwise(chain):
            left.process.link(right.process)
        chain[0].exit(reason)
        assert {await pid.wait() for pid in chain} == {reason}

    run(scenario)


@pytest.mark.row("PR-07")
def test_an_untrapped_normal_signal_is_ignored_unless_it_was_sent_to_oneself() -> None:
    async def scenario(system: System) -> None:
        one, other = await probes(system, 2)
        await linked(one, other)
        one.exit(Exit.NORMAL)
        assert one.alive
        await one.stop()  # a normal end
        assert other.alive
        await other.call(Probe.do, lambda probe: probe.exit(probe.pid, Exit.NORMAL))
        assert await other.wait() is Exit.NORMAL

    run(scenario)


@pytest.mark.row("PR-08")
def test_a_trapped_signal_is_a_message_whatever_the_reason() -> None:
    async def scenario(system: System) -> None:
        (trapping,) = await probes(system, 1, trap=True)
        ended = await probes(system, 3)
        for pid in ended:
            await linked(trapping, pid)
        await ended[0].stop()
        ended[1].exit(CRASH)
        ended[2].exit(Exit.SHUTDOWN)
        trapping.exit(Exit.NORMAL)
        assert await trapping.call(Probe.history) == [
            Exited(ended[0], Exit.NORMAL),
            Exited(ended[1], CRASH),
            Exited(ended[2], Exit.SHUTDOWN),
            Exited(None, Exit.NORMAL),
        ]

    run(scenario)


@pytest.mark.row("PR-09")
def test_kill_cannot_be_trapped_but_its_echo_over_a_link_can() -> None:
    async def scenario(system: System) -> None:
        killed, linked_to_it = await probes(system, 2, trap=True)
        await linked(killed, linked_to_it)
        killed.exit(Exit.KILL)
        assert await killed.wait() is Exit.KILLED
        assert await linked_to_it.call(Probe.history) == [Exited(killed, Exit.KILLED)]
        assert linked_to_it.alive

    run(scenario)


@pytest.mark.row("PR-11")
def test_monitors_are_one_way_count_and_carry_their_tag() -> None:
    async def scenario(system: System) -> None:
        observer, target = await probes(system, 2)
        numbers = [await observer.call(Probe.watch, target, tag) for tag in ("a", "b")]
        observer_of_nobody = await system.start(Probe)
        await target.call(Probe.do, lambda probe: probe.monitor(observer_of_nobody))
        target.exit(CRASH)
        assert await observer.call(Probe.history) == [
            Down(numbers[0], target, CRASH, "a"),
            Down(numbers[1], target, CRASH, "b"),
        ]
        assert observer_of_nobody.alive

    run(scenario)


@pytest.mark.row("PR-10")
def test_a_monitor_that_was_ended_says_nothing_even_if_it_has_spoken_already() -> None:
    async def scenario(system: System) -> None:
        observer, target = await probes(system, 2)

        async def watch_and_forget(probe: Probe) -> None:
            number = probe.monitor(target)
            target.kill()  # its Down waits in the mailbox now
            probe.demonitor(target, number)
            other = probe.monitor(target)
            probe.demonitor(target, other)

        await observer.call(Probe.do_async, watch_and_forget)
        await settle()
        assert await observer.call(Probe.history) == []

    run(scenario)


@pytest.mark.row("PR-10")
def test_a_monitor_can_be_ended_in_the_turn_that_would_have_handled_its_down() -> None:
    async def scenario(system: System) -> None:
        observer, target = await probes(system, 2)
        number = await observer.call(Probe.watch, target, "tag")
        observer.cast(Probe.do, lambda probe: probe.demonitor(target, number))  # it waits, with the Down behind it
        target.kill()
        await settle()
        assert await observer.call(Probe.history) == []

    run(scenario)


@pytest.mark.row("PR-12")
def test_at_the_end_everything_is_released_before_anybody_hears_of_it() -> None:
    seen: list[tuple[str, bool]] = []

    class Heir(Probe):
        def handle_info(self, message: object) -> None:
            seen.append((type(message).__name__, released))

    released = False

    async def scenario(system: System) -> None:
        nonlocal released
        target = await system.start(Probe, name="target")
        heir = await system.start(Heir, trap=True)
        target.process.cleanups = [lambda: _release()]
        await linked(heir, target)
        await heir.call(Probe.do, lambda probe: probe.monitor(target))
        heir.process.watch(lambda _: None)
        target.watch(lambda _: seen.append(("watcher", released and system.whereis("target") is None)))
        target.kill()
        await settle()
        assert sorted(seen) == [("Down", True), ("Exited", True), ("watcher", True)]

    def _release() -> None:
        nonlocal released
        released = True

    run(scenario)


@pytest.mark.row("PR-13")
def test_an_answer_that_comes_too_late_surfaces_nowhere() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        server = await system.start(Probe)
        asking = await system.start(Probe)
        gate = asyncio.Event()

        async def answer_late(_: Probe) -> str:
            await gate.wait()
            return "late"

        async def ask(_: Probe) -> str:
            try:
                await server.within(1.0).call(Probe.do_async, answer_late)
            except TimeoutError:
                return "gave up"
            return "answered"

        asked = asyncio.create_task(asking.call(Probe.do_async, ask))
        await settle()
        clock.advance(1.0)
        assert await asked == "gave up"
        gate.set()
        await settle()
        assert await asking.call(Probe.history) == []
        assert await server.call(Probe.history) == []

    run(scenario, clock)


@pytest.mark.row("PR-14")
def test_timers_ring_once_at_their_time_and_can_be_cancelled() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        one, other = await probes(system, 2)
        await one.call(Probe.do, lambda probe: probe.send_after(2.0, "mine"))
        to_other = one.process.server.send_after(3.0, "yours", other)  # type: ignore[attr-defined]  # a probe
        cancelled = one.process.server.send_after(5.0, "never")  # type: ignore[attr-defined]  # a probe
        clock.advance(1.5)
        assert (to_other.remaining(), cancelled.cancel(), cancelled.cancel()) == (1.5, 3.5, None)
        clock.advance(10.0)
        assert await one.call(Probe.history) == ["mine"]
        assert await other.call(Probe.history) == ["yours"]
        assert to_other.remaining() is None
        assert to_other.cancel() is None

    run(scenario, clock)


@pytest.mark.row("PR-14")
def test_a_timer_for_a_process_that_has_ended_is_cancelled_by_itself() -> None:
    clock = VirtualClock()

    async def scenario(system: System) -> None:
        one, other = await probes(system, 2)
        timer = one.process.server.send_after(3.0, "yours", other)  # type: ignore[attr-defined]  # a probe
        other.kill()
        assert (clock.pending, timer.remaining()) == (0, None)

    run(scenario, clock)


@pytest.mark.row("PR-15")
def test_an_idle_process_holds_no_task_and_a_dead_one_nothing_at_all() -> None:
    async def scenario(system: System) -> None:
        before = len(asyncio.all_tasks())
        pids = await probes(system, 1_000)
        for pid in pids:
            pid.send("hello")
        await settle()
        assert len(asyncio.all_tasks()) == before
        servers = [weakref.ref(pid.process.server) for pid in pids]
        for pid in pids:
            pid.kill()
        del pids, pid
        await settle()
        gc.collect()
        assert [server for server in servers if server() is not None] == []

    run(scenario)


def test_a_process_is_not_interrupted_in_the_middle_of_a_sync_method() -> None:
    async def scenario(system: System) -> None:
        one, other = await probes(system, 2)
        await linked(one, other)

        def end_the_other(probe: Probe) -> str:
            other.kill()  # and with it this process, but not before the method has returned
            probe.log.append("still here")
            return "done"

        assert await one.call(Probe.do, end_the_other) == "done"
        assert await one.wait() is Exit.KILLED
        with pytest.raises(ProcessDown):
            await one.call(Probe.history)

    run(scenario)


def test_an_exit_signal_cancels_an_async_method() -> None:
    async def scenario(system: System) -> None:
        (one,) = await probes(system, 1)
        heard: list[str] = []

        async def wait_for_ever(_: Probe) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                heard.append("cancelled")
                raise

        call = asyncio.create_task(one.call(Probe.do_async, wait_for_ever))
        await settle()
        one.exit(CRASH)
        with pytest.raises(ProcessDown, match="boom"):
            await call
        assert heard == ["cancelled"]

    run(scenario)


def test_a_task_that_swallows_its_cancellation_is_detached_and_reported(caplog: pytest.LogCaptureFixture) -> None:
    clock = VirtualClock()
    gate = asyncio.Event()

    async def scenario(system: System) -> None:
        (one,) = await probes(system, 1)

        async def stubborn(_: Probe) -> None:
            while not gate.is_set():
                try:
                    await gate.wait()
                except asyncio.CancelledError:
                    continue

        call = asyncio.create_task(one.call(Probe.do_async, stubborn))
        await settle()
        one.kill()
        with pytest.raises(ProcessDown):
            await call
        assert await one.wait() is Exit.KILLED
        await settle()
        with caplog.at_level(logging.ERROR):
            clock.advance(1.0)
        assert "swallows cancellation" in caplog.text
        gate.set()
        await settle()

    run(scenario, clock)
