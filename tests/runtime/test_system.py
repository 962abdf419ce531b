"""The system: entered, left, entered again."""

import asyncio

import pytest

from headwater import GenServer, System
from headwater.errors import ProcessError

from .driving import settle


class Stubborn(GenServer):
    """Doesn't end by itself."""

    trap_exit = True

    async def terminate(self, reason: object) -> None:
        await asyncio.get_running_loop().create_future()


def test_leaving_that_is_cancelled_ends_every_process_and_the_system_can_be_entered_again() -> None:
    async def main() -> None:
        system = System("test")
        await system.__aenter__()
        stubborn = await system.start(Stubborn)
        leaving = asyncio.create_task(system.__aexit__(None, None, None))
        await settle()
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert not stubborn.alive
        with pytest.raises(ProcessError, match="not running"):
            system.whereis("anybody")
        async with system:
            (await system.start(Stubborn)).kill()

    asyncio.run(main())
