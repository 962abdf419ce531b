"""Process managers whose processes die at any moment: no command is lost or doubled."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import Application, EventStore, Pid
from headwater.cqrs.dispatch import Dispatcher
from headwater.cqrs.manager_instance import ManagerInstance
from headwater.examples.bank.orders import TransferOrdered
from headwater.runtime.process import current

from .transferring import Ordering, all_ended, check, open_accounts, order, quick_bank

NAMES = "abc"
ORDERS = st.lists(
    st.builds(Ordering, st.sampled_from(NAMES), st.sampled_from(NAMES), st.sampled_from([5, 60, 90])),
    min_size=1,
    max_size=12,
)


class Killer:
    """Kills the process that is at work, or the one that feeds it, just before or just after something durable."""

    def __init__(self, rng: Random, rate: float) -> None:
        self._rng = rng
        self._rate = rate
        self.application: Application | None = None
        self.kills = 0
        self._feeds = 3

    @contextmanager
    def at_work(self) -> Iterator[None]:
        append, dispatch = EventStore.append_streams, Dispatcher.dispatch

        async def appending(store: EventStore, *args: object, **keywords: object) -> object:
            await self._perhaps()
            answer = await append(store, *args, **keywords)  # type: ignore[arg-type]  # passed through
            await self._perhaps()
            return answer

        async def dispatching(dispatcher: Dispatcher, *args: object) -> object:
            await self._perhaps()
            answer = await dispatch(dispatcher, *args)  # type: ignore[arg-type]  # passed through
            await self._perhaps()
            return answer

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(EventStore, "append_streams", appending)
            patch.setattr(Dispatcher, "dispatch", dispatching)
            yield

    async def _perhaps(self) -> None:
        process = current.get()
        if process is None or not isinstance(process.server, ManagerInstance) or self._rng.random() >= self._rate:
            return
        assert self.application is not None
        self.kills += 1
        if self._feeds and self._rng.random() < 0.2:
            self._feeds -= 1
            feed = self.application.system.whereis("process manager bank.transfer")
            if feed is not None:
                feed.kill()
        else:
            Pid(process).kill()
        await asyncio.sleep(0)


@pytest.mark.row("BC-07", "CM-28")
@settings(max_examples=20, deadline=None)
@given(ORDERS, st.integers(), st.sampled_from([0.0, 0.1, 0.3]), st.sampled_from(["memory", "sqlite"]))
def test_whatever_dies_each_command_has_one_effect(
    tmp_path_factory: pytest.TempPathFactory, orders: list[Ordering], seed: int, rate: float, kind: str
) -> None:
    url = "memory://" if kind == "memory" else f"sqlite:///{tmp_path_factory.mktemp('bank')}/bank.db"
    rng = Random(seed)
    killer = Killer(rng, rate)
    logging.disable(logging.CRITICAL)

    async def ordered(application: Application) -> None:
        killer.application = application
        await open_accounts(application, NAMES)
        await order(application, orders)

    async def first() -> None:
        """Ends while transfers are under way."""
        async with quick_bank(url) as application:
            await ordered(application)
            for _ in range(rng.randrange(200)):
                await asyncio.sleep(0)

    async def last() -> None:
        async with quick_bank(url) as application:
            await ordered(application)  # once more: the same orders are no new ones
            await all_ended(application, len(orders))
            await check(application, NAMES)

    try:
        with killer.at_work():
            if kind == "sqlite":
                asyncio.run(first())
            asyncio.run(last())
    finally:
        logging.disable(logging.NOTSET)


@pytest.mark.row("BC-07", "CM-28")
def test_no_command_is_lost_or_doubled_under_sigkill(tmp_path: Path) -> None:
    assert sum(_kill_again_and_again(tmp_path, 10).values()) > 20


@pytest.mark.soak
def test_no_command_is_lost_or_doubled_under_hundreds_of_kills(tmp_path: Path) -> None:
    _kill_again_and_again(tmp_path, 300)


def _kill_again_and_again(folder: Path, kills: int) -> Counter[str]:
    rng = Random(kills)
    path = folder / "bank.db"
    for number in range(kills):
        command = [sys.executable, "-m", "tests.cqrs.transfer_child", str(path), str(number)]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        root = Path(__file__).parents[2]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, env=environment, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "open\n"
            moment = time.perf_counter() + rng.random() * 0.15
            while time.perf_counter() < moment:  # a random moment of its work
                pass
            child.send_signal(signal.SIGKILL)

    async def main() -> Counter[str]:
        async with quick_bank(f"sqlite:///{path}") as application:
            ordered = [one async for one in application.store.read_all() if isinstance(one.event, TransferOrdered)]
            await all_ended(application, len(ordered))
            return await check(application, NAMES)

    return asyncio.run(main())
