"""How tests publish and subscribe."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack

import msgspec

from headwater import Dispatcher, GenServer, Hub, Pid, PubSub, Subscription, System
from headwater.codec import Codec, TypeName, TypeRegistry


class Trade(msgspec.Struct, frozen=True):
    price: int


class Quote(msgspec.Struct, frozen=True):
    symbol: str
    bid: int


class Listener(GenServer):
    """A process that keeps what it hears. What it is told to, it subscribes to in its `init`."""

    def init(self, pubsub: PubSub | None = None, *topics: str, metadata: object = None) -> None:
        self.seen: list[object] = []
        for topic in topics:
            assert pubsub is not None
            pubsub.subscribe(topic, self.pid, metadata)

    def handle_info(self, message: object) -> None:
        self.seen.append(message)

    def history(self) -> list[object]:
        return list(self.seen)

    def watch(self, pid: Pid[object]) -> None:
        self.monitor(pid)

    def do(self, action: Callable[[Listener], object]) -> object:
        return action(self)


Scenario = Callable[[System, PubSub], Coroutine[object, object, None]]
Joined = Callable[[System, Sequence[PubSub]], Coroutine[object, object, None]]

CODEC = Codec(TypeRegistry([(Trade, TypeName("trade", 1)), (Quote, TypeName("quote", 1))]))


def run(scenario: Scenario, dispatchers: dict[str, Dispatcher] | None = None) -> None:
    """Run a scenario with processes and a PubSub that is alone."""

    async def main() -> None:
        async with System("test") as system:
            await scenario(system, PubSub(dispatchers=dispatchers))

    asyncio.run(main())


def run_joined(
    scenario: Joined, *names: str, hub: Hub | None = None, dispatchers: dict[str, Dispatcher] | None = None
) -> None:
    """Run a scenario with PubSubs that a hub joins. All processes are of one system."""

    async def main() -> None:
        joint = hub or Hub()
        async with System("test") as system, AsyncExitStack() as stack:
            pubsubs = [PubSub(joint.adapter(name), codec=CODEC, dispatchers=dispatchers) for name in names]
            for pubsub in pubsubs:
                await stack.enter_async_context(pubsub)
            await scenario(system, pubsubs)

    asyncio.run(main())


async def settle() -> None:
    """Let everything run that can run."""
    for _ in range(20):
        await asyncio.sleep(0)


async def history(pid: Pid[Listener]) -> list[object]:
    await settle()
    return await pid.call(Listener.history)


async def take(subscription: Subscription[object], count: int) -> list[object]:
    """The next messages of a subscription."""
    async with asyncio.timeout(10):
        return [await anext(subscription) for _ in range(count)]


async def drain(subscription: Subscription[object]) -> list[object]:
    """All the messages of a subscription to its end."""
    return [message async for message in subscription]
