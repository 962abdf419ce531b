"""The PubSub of an application."""

import asyncio
from pathlib import Path

from headwater import Application
from headwater.pubsub.broker import BROADCAST
from headwater.telemetry import SpanEvent
from tests.pubsub.driving import Listener, drain, history, settle


def test_it_lives_as_long_as_the_application_and_shares_its_telemetry(tmp_path: Path) -> None:
    async def main() -> None:
        seen: list[SpanEvent] = []
        application = Application("test", store=f"sqlite:///{tmp_path / 'events.db'}", aggregates=[])
        application.telemetry.attach(BROADCAST, seen.append)
        pubsub = application.pubsub
        for _ in range(2):
            async with pubsub.subscription("t") as messages:
                async with application:
                    reader = asyncio.create_task(drain(messages))
                    listener = await application.system.start(Listener, pubsub, "t")
                    pubsub.broadcast("t", 1)
                    assert await history(listener) == [1]
                await settle()
                assert await reader == [1]
            assert len(pubsub) == 0
            await pubsub.start()
        assert [event.phase for event in seen] == ["start", "stop"] * 2

    asyncio.run(main())
