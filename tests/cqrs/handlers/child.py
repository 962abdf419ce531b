"""A process that runs an application with a handler, to be killed.

python -m cqrs.handlers.child FOLDER
"""

import asyncio
import sys
from pathlib import Path

from headwater import Application, Backoff, EventHandler, Recorded, Retry, handle
from tests.bank import Account, Deposit, Deposited


class Writer(EventHandler, name="writer"):
    """Writes each event to standard output, before it is acknowledged. Every tenth can't be handled."""

    concurrency = 4
    lease = 3_600.0  # whoever opens the file next doesn't wait for it
    retry = Retry(2, Backoff(0.001, 0.002))

    @handle
    async def deposited(self, event: Deposited, recorded: Recorded) -> None:
        await asyncio.sleep(0)
        if event.amount % 10 == 0:
            raise ValueError("a tenth")
        sys.stdout.write(f"{recorded.stream} {int(recorded.version)}\n")
        sys.stdout.flush()


def application(folder: Path) -> Application:
    return Application("killed", store=f"sqlite:///{folder}/events.db", aggregates=[Account], handlers=[Writer])


async def main(folder: Path) -> None:
    async with application(folder) as killed:
        number = 0
        while True:
            commands = [Deposit(f"{key}", number + 1) for key in range(5)]
            number += 1
            await asyncio.gather(*map(killed.dispatch, commands))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
