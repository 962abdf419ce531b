"""A process of its own that orders transfers, one after the other, until it is killed.

python -m tests.cqrs.transfer_child PATH SEED
"""

import asyncio
import sys
from random import Random

from headwater.examples.bank.orders import OrderTransfer, TransferOrdered

from .transferring import open_accounts, quick_bank

NAMES = "abc"


async def transfer_for_ever(path: str, seed: str) -> None:
    rng = Random(int(seed))
    async with quick_bank(f"sqlite:///{path}") as application:
        await open_accounts(application, NAMES)
        known = 0
        async for recorded in application.store.read_all():
            known += isinstance(recorded.event, TransferOrdered)
        print("open", flush=True)
        while True:
            source, target, amount = rng.choice(NAMES), rng.choice(NAMES), rng.choice([5, 60, 90])
            await application.dispatch(OrderTransfer(f"t-{known}", source, target, amount))
            known += 1


if __name__ == "__main__":
    asyncio.run(transfer_for_ever(*sys.argv[1:]))
