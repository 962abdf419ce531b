"""Deposits for ever, with a view that takes snapshots all the time. Prints a line for each. To be killed."""

import asyncio
import sys
from itertools import count
from pathlib import Path

from headwater.cqrs import view_picture
from tests.bank import Deposit
from tests.cqrs.views import application

view_picture.ROWS_A_PART = 2  # type: ignore[misc]  # so that a snapshot takes several writes


async def main() -> None:
    async with application(Path(sys.argv[1])) as app:
        for number in count(1):
            await app.dispatch(Deposit(f"a-{number % 9}", number))
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()


asyncio.run(main())
