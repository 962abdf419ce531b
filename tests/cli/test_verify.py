"""`headwater verify`: a log that is whole, one that isn't, and heads that were kept."""

import asyncio
from pathlib import Path

import apsw
import pytest

from headwater.codec import Codec, TypeName, TypeRegistry
from headwater.store.store import EventStore

from .driving import headwater, json_lines, on_terminal, succeed


class Counted(dict[str, int]):
    """An event."""


def _make(path: Path, count: int) -> None:
    async def main() -> None:
        codec = Codec(TypeRegistry([(Counted, TypeName("Counted", 1))]))
        async with await EventStore.open(f"sqlite:///{path}", codec) as store:
            await store.append("s", [Counted(n=n) for n in range(count)])

    asyncio.run(main())


@pytest.mark.row("BS-06")
def test_a_whole_log_and_its_head(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    _make(path, 2_500)
    [early] = json_lines(succeed("verify", path, cwd=tmp_path))
    assert (early["events"], early["whole"]) == (2_500, True)
    _make(path, 5)
    [late] = json_lines(succeed("verify", path, "--head", early["head"], cwd=tmp_path))
    assert late["events"] == 2_505
    code, shown = on_terminal("verify", path, cwd=tmp_path)
    assert code == 0
    assert "2,505 events, all as they were appended." in shown
    assert f"head {late['head']}" in shown


@pytest.mark.row("BS-06")
def test_the_first_event_that_was_altered_is_named(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    _make(path, 1_200)
    connection = apsw.Connection(str(path))
    connection.execute("DROP TRIGGER events_are_never_updated; UPDATE events SET data = '{}' WHERE position IN (7, 9)")
    connection.close()
    done = headwater("verify", path, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("headwater: broken at position 7: ")
    [found] = json_lines(done.stdout)
    assert (found["events"], found["whole"], found["broken_at"]) == (6, False, 7)


def test_a_head_must_be_a_hash_and_in_the_log(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    _make(path, 3)
    done = headwater("verify", path, "--head", "abc", cwd=tmp_path)
    assert done.returncode == 1
    assert "a head is 64 hexadecimal digits" in done.stderr
    done = headwater("verify", path, "--head", "ab" * 32, cwd=tmp_path)
    assert done.returncode == 1
    assert "ab" * 32 in done.stderr
