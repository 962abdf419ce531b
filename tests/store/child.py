"""A process of its own that works on a store, for tests that need a second one, or one to kill.

python -m store.child COMMAND PATH-OR-URL ...
"""

import asyncio
import resource
import sys
from pathlib import Path

from headwater.errors import StorageFailed
from headwater.store.store import EventStore

from .driving import Deposited, codec


async def _open(path: str) -> EventStore:
    return await EventStore.open(path if "://" in path else f"sqlite:///{path}", codec())


async def append_for_ever(path: str, clients: str) -> None:
    """Append from many clients; print stream, version and position of each answer as soon as it is there."""
    store = await _open(path)
    print("open")

    async def client(number: int) -> None:
        while True:
            done = await store.append(f"s-{number % 7}", [Deposited(number)] * (1 + number % 3))
            # One write for one line: it is in the pipe whole, or not at all.
            sys.stdout.write(f"{done.stream} {int(done.version)} {int(done.position)}\n")
            sys.stdout.flush()

    await asyncio.gather(*(client(number) for number in range(int(clients))))


async def follow_for_ever(path: str, clients: str) -> None:
    """Append from many clients, and print position and identifier of each event that a reader close by gets to see."""
    store = await _open(path)
    position = int(await store.head())
    woken = asyncio.Event()
    store.watch(woken.set)
    print("open", flush=True)

    async def client(number: int) -> None:
        while True:
            await store.append(f"s-{number % 7}", [Deposited(number)] * (1 + number % 3))

    clients_at_work = [asyncio.create_task(client(number)) for number in range(int(clients))]
    while clients_at_work:
        woken.clear()
        page = store.recent_all(position)
        for event in page or ():
            sys.stdout.write(f"{event.position} {event.id.hex}\n")
            position = event.position
        sys.stdout.flush()
        if page is None:
            position = int(await store.head()) if position == 0 else position
            await woken.wait()


async def hold(path: str) -> None:
    """Open for writing, and hold the store until a line comes."""
    async with await _open(path) as store:
        await store.append("held", [Deposited(1)])
        print("open")
        await asyncio.to_thread(sys.stdin.readline)


async def append_on_demand(path: str) -> None:
    """Append one event for each line that comes, and print its position."""
    async with await _open(path) as store:
        print("open")
        while await asyncio.to_thread(sys.stdin.readline):
            print(int((await store.append("demanded", [Deposited(1)])).position))


async def append_into_limits(path: str, rounds: str) -> None:
    """Append until the operating system lets no file grow, again and again, each time at another place.

    Prints for each round the error, the last position that was acknowledged, and the log's head.
    """
    async with await _open(path) as store:
        acknowledged = 0
        for number in range(int(rounds)):
            limit = 200_000 + 5_003 * number  # in the middle of a page, of a frame, of a header
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            try:
                while True:
                    acknowledged = int((await store.append("s", [Deposited(1, "x" * 150)] * 7)).position)
            except StorageFailed as error:
                print(type(error).__name__, acknowledged, int(await store.head()))
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print(int((await store.append("s", [Deposited(2)])).position))


if __name__ == "__main__":
    command, location, *arguments = sys.argv[1:]
    path = location if "://" in location else str(Path(location))
    match command:
        case "append":
            asyncio.run(append_for_ever(path, *arguments))
        case "follow":
            asyncio.run(follow_for_ever(path, *arguments))
        case "hold":
            asyncio.run(hold(path))
        case "demand":
            asyncio.run(append_on_demand(path))
        case "limit":
            asyncio.run(append_into_limits(path, *arguments))
