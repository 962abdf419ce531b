"""What an answer means: `full` unless somebody says otherwise."""

from pathlib import Path
from typing import cast

import pytest

from headwater.errors import NotAStore
from headwater.store.sqlite.adapter import SqliteAdapter
from headwater.store.store import EventStore
from headwater.store.url import Durability

from .driving import Deposited, codec, scenario, sqlite

FULL, NORMAL = 2, 1


@pytest.mark.row("BS-15")
@pytest.mark.parametrize(
    ("option", "argument", "durability", "synchronous"),
    [
        ("", None, "full", FULL),
        ("", "full", "full", FULL),
        ("", "relaxed", "relaxed", NORMAL),
        ("?durability=full", None, "full", FULL),
        ("?durability=relaxed", None, "relaxed", NORMAL),
        ("?durability=relaxed", "full", "full", FULL),
    ],
)
def test_durability_is_full_unless_said_otherwise(
    tmp_path: Path, option: str, argument: Durability | None, durability: str, synchronous: int
) -> None:
    @scenario
    async def run() -> None:
        url = f"sqlite:///{tmp_path}/events.db{option}"
        async with await EventStore.open(url, codec(), durability=argument) as store:
            await store.append("s", [Deposited(1)])
            assert store.durability == durability
            writer = sqlite(store)._files.writer
            assert writer is not None
            assert writer._connection.pragma("synchronous") == synchronous
        assert (tmp_path / "events.db").exists()

    run()


@scenario
async def test_another_durability_is_refused_and_nothing_is_made(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    for url, wanted in ((f"sqlite:///{path}", "none"), ("memory://", "some"), ("postgresql://nowhere/bank", "some")):
        with pytest.raises(NotAStore, match=f"{url}: durability is full or relaxed, not '{wanted}'"):
            await EventStore.open(url, codec(), durability=cast("Durability", wanted))
    assert not path.exists()


@pytest.mark.row("BS-15")
@scenario
async def test_memory_says_that_it_keeps_nothing() -> None:
    async with await EventStore.open("memory://", codec()) as store:
        assert (store.durability, store.location) == ("none", "memory://")


@pytest.mark.row("ES-24")
@scenario
async def test_any_number_of_stores_live_side_by_side(tmp_path: Path) -> None:
    """A tenant is a file: names are chosen when it is opened, and nothing is shared."""
    urls = [f"sqlite:///{tmp_path}/tenant-{n}.db" for n in range(3)] + ["memory://", "memory://"]
    stores = [await EventStore.open(url, codec()) for url in urls]
    for number, store in enumerate(stores):
        assert (await store.append("s", [Deposited(number)], expected=0)).position == 1
    for number, store in enumerate(stores):
        assert [e.event async for e in store.read_all()] == [Deposited(number)]
        await store.close()


@pytest.mark.row("ES-27")
@scenario
async def test_an_event_is_one_row_and_names_are_stored_once(tmp_path: Path) -> None:
    adapter = await SqliteAdapter.open(tmp_path / "events.db")
    async with EventStore(adapter, codec()) as store:
        for number in range(50):
            await store.append("a-rather-long-name-of-a-stream", [Deposited(number)], tags=["a-rather-long-tag"])
        await store.link("another", [1])
    content = (tmp_path / "events.db").read_bytes()
    assert content.count(b"a-rather-long-name-of-a-stream") <= 2  # the row, and the index on it
    assert content.count(b"Deposited") <= 3
