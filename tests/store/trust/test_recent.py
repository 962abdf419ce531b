"""What is kept in memory of the end of the log is encrypted, as it is in the file."""

from pathlib import Path

import pytest

from headwater.store.page import Selection
from tests.store.driving import scenario

from .people import Paid, Registered, opened


@pytest.mark.row("BS-07")
@scenario
async def test_who_is_forgotten_is_forgotten_in_memory_too(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        store.watch(lambda: None)
        ann = Registered("p-1", "Ann Example")
        await store.append("people", [Paid(1), ann, Paid(2)])
        recent = store.adapter.recent(Selection(), 10)
        assert recent is not None
        assert "Example" not in recent.events[1].data
        assert store.recent_all(0) is None, "its key has to be looked up"
        assert len(store.recent_all(2) or ()) == 1
        assert [store.decode(event) for event in await store.page_all()] == [Paid(1), ann, Paid(2)]
        await store.forget("p-1")
        assert store.adapter.recent(Selection(), 10) is not None
        gone = Registered("p-1", None)
        assert [store.decode(event) for event in await store.page_all()] == [Paid(1), gone, Paid(2)]
