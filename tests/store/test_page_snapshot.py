"""A page and its head are of one snapshot, whatever is committed while it is read."""

import asyncio
from pathlib import Path

import apsw
import pytest

from headwater import EventQuery
from headwater.store.page import Selection
from headwater.store.sqlite import selecting

from .driving import Deposited, opened, scenario


@pytest.mark.row("BS-01")
@scenario
async def test_the_first_event_of_a_type_that_comes_while_a_page_is_read_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await opened(tmp_path) as store:
        loop, look_up = asyncio.get_running_loop(), selecting._types

        def commit_then(connection: apsw.Connection, names: tuple[str, ...]) -> list[int]:
            """Look for the types, on the reader's thread; then let somebody bring in the first of them."""
            found = look_up(connection, names)
            monkeypatch.setattr(selecting, "_types", look_up)
            asyncio.run_coroutine_threadsafe(store.append("s", [Deposited(1)]), loop).result()
            return found

        monkeypatch.setattr(selecting, "_types", commit_then)
        page = await store.page(Selection(None, EventQuery.of("Deposited")))
        assert (page.events, page.head) == ([], 0)
        assert await store.head() == 1
