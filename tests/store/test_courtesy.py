"""A busy event loop gives way to the store's threads, but only while they have work and don't get on."""

import asyncio
from collections.abc import Iterator

import pytest

from headwater.store.sqlite.courtesy import Courtesy


@pytest.mark.parametrize(
    ("progress", "pauses"),
    [
        ([1, 2, 3, 4, None], 0),
        ([1, 1, 1, 2, None], 2),
        ([None], 0),
        ([5, 5, None], 1),
    ],
)
def test_it_pauses_only_when_nothing_gets_on(
    monkeypatch: pytest.MonkeyPatch, progress: list[int | None], pauses: int
) -> None:
    found: list[float] = []
    monkeypatch.setattr("headwater.store.sqlite.courtesy.time.sleep", found.append)
    answers: Iterator[int | None] = iter(progress)
    loop = asyncio.new_event_loop()
    polite = Courtesy(loop, lambda: next(answers))
    polite.begin()

    async def until_done() -> None:
        while polite.active:
            await asyncio.sleep(0)

    loop.run_until_complete(until_done())
    loop.close()
    assert len(found) == pauses
    assert list(answers) == []
