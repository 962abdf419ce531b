"""The first event of a type is in every page that its position is covered by."""

import asyncio
from pathlib import Path

import pytest

from headwater import EventStore
from headwater.store.model import NewEvent
from headwater.store.page import Selection
from headwater.store.query import EventQuery
from headwater.store.sqlite import selecting

from .driving import Deposited, codec, new_id, scenario


@scenario
async def test_a_type_that_comes_while_a_page_is_read_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await EventStore.open(f"sqlite:///{tmp_path}/s.db", codec()) as store:
        await store.append("s", [Deposited(1)])
        loop, look_up = asyncio.get_running_loop(), selecting._types

        def slowly(connection: object, names: tuple[str, ...]) -> list[int]:
            found = look_up(connection, names)  # type: ignore[arg-type]  # passed through
            event = NewEvent("Late", 1, b"{}", new_id())
            asyncio.run_coroutine_threadsafe(store.append_encoded("s", [event]), loop).result()
            return found

        monkeypatch.setattr(selecting, "_types", slowly)
        page = await store.page(Selection(None, EventQuery.of("Late")))
        assert (len(page.events), page.head) in {(0, 1), (1, 2)}
