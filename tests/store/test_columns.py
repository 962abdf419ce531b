"""A page comes out of SQLite as one row of whole columns: each value comes back as it was, whatever it is."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import apsw
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headwater.store.adapter import Append, AppendPart
from headwater.store.model import Context, Expected, NewEvent, StoredEvent
from headwater.store.page import Selection
from headwater.store.sqlite import page
from headwater.store.sqlite.connection import open_reader
from headwater.store.sqlite.names import Names

from .driving import Deposited, new_id, opened, scenario

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5) | st.sampled_from(
    ["", "\x1f", '{"a":1}']
)
CONTEXTS = st.builds(
    Context,
    st.none() | st.binary(min_size=16, max_size=16),
    st.none() | st.binary(min_size=16, max_size=16),
    st.none() | TEXTS.map(str.encode),
)
EVENTS = st.tuples(TEXTS, st.sampled_from([(), ("a",), ("a", "b\x1f")]), CONTEXTS)


@given(st.lists(EVENTS, min_size=1, max_size=6))
@example([("\x1f", (), Context()), ("", (), Context())])
@example([("", (), Context(metadata=b"")), ("", ("a",), Context(bytes(16), bytes(16), b"\x1f"))])
@settings(max_examples=40, deadline=None)
def test_a_page_holds_what_was_appended_to_the_letter(events: list[tuple[str, tuple[str, ...], Context]]) -> None:
    @scenario
    async def run() -> None:
        with TemporaryDirectory() as folder:
            async with await opened(Path(folder)) as store:
                for data, tags, context in events:
                    event = NewEvent("Deposited", 1, data.encode(), new_id(), tags)
                    part = AppendPart("s", Expected.ANY, [event])
                    append = Append((part,), context)
                    store.adapter.submit(append)
                    await append.answer
                found = (await store.adapter.read(Selection(), 10)).events
                assert [(one.data, one.tags, _context(one)) for one in found] == events

    run()


def _context(stored: StoredEvent) -> Context:
    metadata = stored.metadata_json
    return Context(stored.causation_bytes, stored.correlation_bytes, None if metadata is None else metadata.encode())


@pytest.mark.parametrize(
    "change",
    [
        "id = CAST(x'00' || id AS BLOB)",
        "id = substr(id, 2)",
        "causation = x'0102'",
        "metadata = char(31)",
        "data = char(31)",
    ],
)
def test_what_somebody_else_wrote_is_read_as_it_is(tmp_path: Path, change: str) -> None:
    @scenario
    async def run() -> None:
        async with await opened(tmp_path) as store:
            for number in range(4):
                await store.append("s", [Deposited(number)], metadata={"n": number})

    run()
    connection = apsw.Connection(str(tmp_path / "events.db"))
    connection.execute(f"DROP TRIGGER events_are_never_updated; UPDATE events SET {change} WHERE position = 2")
    rows = connection.execute("SELECT id, causation, metadata, data FROM events ORDER BY position").fetchall()
    connection.close()
    reader = open_reader(tmp_path / "events.db")
    found = page.read(reader, Names(), Selection(), 10).events
    reader.close()
    assert [(one.id_bytes, one.causation_bytes, one.metadata_json, one.data) for one in found] == rows
