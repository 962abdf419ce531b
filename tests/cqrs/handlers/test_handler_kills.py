"""Killed at any moment: nothing is lost, keys keep their order, an event is parked once."""

import asyncio
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from headwater import Application, Backoff, EventHandler, HeadwaterError, Recorded, Retry, handle
from headwater.cqrs.dead_letter import LetterParked
from headwater.runtime.pid import Pid
from headwater.runtime.process import Process
from tests.bank import Account, Deposit, Deposited
from tests.cli.driving import environment

from . import child
from .driving import SOON, Batches, run

ROOT = Path(__file__).parents[3]


class Order:
    """Sees to it that no event of a key is handled before those that come before it have been."""

    def __init__(self) -> None:
        self.furthest: dict[str, int] = {}
        self.gaps: list[str] = []

    def advance(self, stream: str, version: int) -> None:
        furthest = self.furthest.get(stream, 0)
        if version > furthest + 1:
            self.gaps.append(f"{stream}: {version} after {furthest}")
        self.furthest[stream] = max(furthest, version)


class One(EventHandler, name="one"):
    concurrency = 3
    retry = SOON

    def __init__(self) -> None:
        self.order = Order()

    @handle
    async def deposited(self, event: Deposited, recorded: Recorded) -> None:
        await asyncio.sleep(0.0001 * (event.amount % 3))
        self.order.advance(recorded.stream, recorded.version)


class Many(Batches, name="many"):
    concurrency = 2
    batch_size = 7
    batch_timeout = 0.005
    retry = Retry(3, Backoff(0.001, 0.002))

    def __init__(self) -> None:
        super().__init__()
        self.order = Order()

    async def handle_batch(self, events: list[Recorded]) -> None:  # type: ignore[override]  # a handler may be async
        await asyncio.sleep(0)
        for recorded in events:
            self.order.advance(recorded.stream, recorded.version)


async def _torment(application: Application, rng: random.Random, kills: int) -> int:
    """Kill processes of the handlers' pipelines, and those above them, at random steps."""
    killed = 0
    for _ in range(kills):
        for _ in range(rng.randrange(60)):
            await asyncio.sleep(0)
        await asyncio.sleep(rng.random() * 0.02)
        processes = [one for one in application.system.node.processes if isinstance(one, Process)]
        ours = [one for one in processes if one.name and one.name.startswith("handler ")]
        if ours:
            Pid[object](rng.choice(ours)).kill()
            killed += 1
    return killed


@pytest.mark.row("CM-17")
def test_nothing_is_lost_and_order_is_kept_when_processes_are_killed_under_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headwater.cqrs.handler_process.BACKOFF", Backoff(0.001, 0.01))
    monkeypatch.setattr("headwater.cqrs.handlers.RESTARTS", 1_000)
    one, many = One(), Many()

    async def load(application: Application) -> int:
        for number in range(1, 121):
            commands = [Deposit(f"{key}", number) for key in range(6)]
            await asyncio.gather(*map(application.dispatch, commands))
            await asyncio.sleep(0.001)
        return int(await application.store.head())

    async def scenario(application: Application) -> None:
        tormenting = asyncio.ensure_future(_torment(application, random.Random(7), 40))
        head = await load(application)
        assert await tormenting > 20
        for kind in (One, Many):
            for _ in range(100):  # a wait ends with the handler's process, if that was killed last
                try:
                    await application.wait_for(kind, head, timeout=20)
                    break
                except HeadwaterError:
                    await asyncio.sleep(0.01)
        for handler in (one, many):
            assert handler.order.gaps == []
            assert handler.order.furthest == {f"account-{key}": 120 for key in range(6)}

    run(tmp_path, scenario, one, many)


@pytest.mark.row("CM-17")
@pytest.mark.row("BC-01")
def test_every_event_is_handled_at_least_once_although_the_program_is_killed_again_and_again(tmp_path: Path) -> None:
    rng = random.Random(3)
    handled: Counter[tuple[str, int]] = Counter()
    for _ in range(4):
        command = [sys.executable, "-m", "tests.cqrs.handlers.child", str(tmp_path)]
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(rng.randrange(20, 400))]
        process.kill()
        rest = process.stdout.read().splitlines(keepends=True)
        process.wait()
        process.stdout.close()
        for line in [*lines, *rest]:
            if line.endswith("\n"):
                stream, version = line.split()
                handled[stream, int(version)] += 1
    letters = asyncio.run(_finish(tmp_path, handled))
    assert letters == Counter(set(letters))  # one letter for each position, in however many lives
    assert len(handled) > 100


async def _finish(folder: Path, handled: Counter[tuple[str, int]]) -> Counter[int]:
    """Let the handler come to the end; compare with the log. Returns the letters by position."""
    seen: list[tuple[str, int]] = []

    class Last(child.Writer, name="writer"):
        @handle
        async def deposited(self, event: Deposited, recorded: Recorded) -> None:
            if event.amount % 10 == 0:
                raise ValueError("a tenth")
            seen.append((recorded.stream, int(recorded.version)))

    application = Application("finish", store=f"sqlite:///{folder}/events.db", aggregates=[Account], handlers=[Last])
    async with application:
        head = await application.store.head()
        await application.wait_for(Last, head, timeout=30)
        log = [recorded async for recorded in application.store.read_all()]
        deposits = [recorded for recorded in log if isinstance(recorded.event, Deposited)]
        good = {
            (recorded.stream, int(recorded.version))
            for recorded in deposits
            if isinstance(recorded.event, Deposited) and recorded.event.amount % 10
        }
        assert good == set(handled) | set(seen)
        parked = Counter(recorded.event.position for recorded in log if isinstance(recorded.event, LetterParked))
        assert set(parked) == {int(one.position) for one in deposits} - {
            int(one.position) for one in deposits if (one.stream, int(one.version)) in good
        }
        return parked
