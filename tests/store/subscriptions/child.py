"""A process of its own that consumes a subscription, to be killed.

python -m store.subscriptions.child COMMAND URL ...
"""

import asyncio
import random
import sys

from headwater.store.store import EventStore

from ..driving import Deposited, codec


async def consume(url: str, seed: str, consumers: str) -> None:
    """Append for ever, and handle what was appended: print its position, then acknowledge it, now or later.

    Prints its checkpoint first. The lease of whoever was killed before ends soon, or, in a file, is void.
    """
    rng = random.Random(int(seed))
    async with await EventStore.open(url, codec()) as store:
        await asyncio.gather(_append(store), *(_consume(store, rng, int(consumers)) for _ in range(int(consumers))))


async def _append(store: EventStore) -> None:
    """Faster than it is consumed: what was read is always ahead of what is acknowledged."""
    for number in range(1_000_000):
        await store.append(f"s-{number % 5}", [Deposited(number)] * 50)


async def _consume(store: EventStore, rng: random.Random, consumers: int) -> None:
    async with store.subscription(
        "mailer",
        lease=0.3 if url.startswith("postgresql") else 3_600.0,
        max_unacknowledged=10,
        checkpoint_every=7,
        max_consumers=consumers,
        partition_by=lambda event: event.stream,
    ) as events:
        info = await store.subscription_info("mailer")
        assert info is not None
        _say(f"from {info.checkpoint}")
        waiting = []
        async for event in events:
            _say(f"{event.stream} {int(event.version)} {int(event.position)}")
            waiting.append(event)
            if len(waiting) == 10 or rng.random() < 0.3:
                rng.shuffle(waiting)
                await events.ack_many(waiting)
                waiting = []


def _say(line: str) -> None:
    # One write for one line: it is in the pipe whole, or not at all.
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _, url, *arguments = sys.argv[1:]
    asyncio.run(consume(url, *arguments))
