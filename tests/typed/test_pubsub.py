"""What a type checker knows about subscriptions. Each `# E:` line must be an error for mypy, no other line may."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

CASES = """
from collections.abc import Sequence
from typing import assert_type

from headwater import Dispatcher, Dropped, Entry, Fastlane, Hub, Pid, PubSub, Subscriber, Subscription, fastlane
from headwater.pubsub.adapter import PubSubAdapter
from headwater.pubsub.local import LocalAdapter


class Quote:
    symbol: str


def dispatch(all_of_them: Sequence[Entry], message: object, source: Pid[object] | None) -> None: ...


def narrow(entries: Sequence[Entry], message: Quote, source: Pid[object] | None) -> None: ...


def encode(message: object) -> bytes:
    return b""


async def cases(pubsub: PubSub, pid: Pid[int]) -> None:
    async with pubsub.subscription("t", of=Quote) as quotes:
        async for quote in quotes:
            assert_type(quote, Quote)
        assert_type(quotes.dropped, int)
    async with pubsub.subscription("t") as anything:
        assert_type(await anext(anything), object)
    assert_type(pubsub.subscription("t", of=Quote), Subscription[Quote])
    assert_type(pubsub.subscription("t", of=Quote, overflow="disconnect"), Subscription[Quote])
    assert_type(pubsub.subscription("t", of=Quote, overflow="drop_oldest"), Subscription[Quote | Dropped])
    assert_type(pubsub.subscription("t", of=Quote, overflow="drop_newest"), Subscription[Quote | Dropped])
    pubsub.subscription("t", overflow="drop_oldest")
    pubsub.subscription("t", of=Quote, coalesce=lambda quote: quote.symbol)
    pubsub.subscription("t", of=Quote, coalesce=lambda quote: quote.colour)  # E:
    pubsub.subscription("t", coalesce=lambda message: message.symbol)  # E:
    pubsub.subscription("t", overflow="block")  # E:
    pubsub.subscription(7)  # E:
    assert_type(pubsub.broadcast("t", 1), int)
    pubsub.subscribe("t", pid, Fastlane(pid, encode))
    pubsub.subscribe("t", anything)  # E:
    pubsub.register_dispatcher("a", dispatch)
    pubsub.register_dispatcher("b", fastlane)
    pubsub.register_dispatcher("c", narrow)  # E:
    pubsub.register_dispatcher("d", encode)  # E:
    pubsub.broadcast("t", 1, dispatcher=dispatch)  # E:
    dispatcher: Dispatcher = dispatch
    subscribers: list[Subscriber] = [pid, anything]
    adapters: list[PubSubAdapter] = [LocalAdapter(), Hub().adapter("a")]
"""


@pytest.mark.row("BP-02")
def test_subscriptions_are_typed(tmp_path: Path) -> None:
    source = tmp_path / "cases.py"
    source.write_text(CASES)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context", source],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    found = {int(line) for line in re.findall(r"cases\.py:(\d+): error", done.stdout)}
    expected = {number for number, line in enumerate(CASES.splitlines(), start=1) if "# E:" in line}
    assert found == expected, done.stdout
