"""`headwater backup`, `export`, `import`, `migrate`, `forget` and `rewrap`."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headwater.store.sqlite.schema import SCHEMA_VERSION
from tests.store.test_migration import version_1
from tests.store.trust import people

from .driving import fail, headwater, json_lines, log, make_store, on_terminal, succeed

KEY = people.MASTER
NEW_KEY = people.OTHER


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A store with two people in it, and a payment."""

    async def make() -> None:
        async with await people.opened(tmp_path) as store:
            await store.append("s", [people.Registered("p-1", "Ann"), people.Registered("p-2", "Ben")])
            await store.append("s", [people.Paid(5)])

    asyncio.run(make())
    return tmp_path / "events.db"


def _names(path: Path, key: str) -> list[Any]:
    done = headwater("events", path, cwd=path.parent, key=key)
    assert done.returncode == 0, done.stderr
    return [line["data"].get("name") for line in json_lines(done.stdout)]


@pytest.mark.row("BS-12")
def test_a_backup_is_a_store(tmp_path: Path, database: Path) -> None:
    [made] = json_lines(succeed("backup", database, "copy.db", cwd=tmp_path))
    [head] = json_lines(succeed("verify", database, cwd=tmp_path))
    copy = tmp_path / "copy.db"
    assert made == {"path": str(copy), "events": 3, "head": head["head"], "bytes": copy.stat().st_size}
    assert log(copy) == log(database)
    assert "there is a file already; --overwrite replaces it" in fail("backup", database, "copy.db", cwd=tmp_path)
    succeed("backup", database, "copy.db", "--overwrite", cwd=tmp_path)
    code, shown = on_terminal("backup", database, "other.db", cwd=tmp_path, columns=100)
    assert code == 0
    assert "verifying" in shown
    assert "3/3" in shown
    assert shown.endswith(f"all as they were appended.\nhead {head['head']}\n")


@pytest.mark.row("BS-12")
def test_an_export_is_imported(tmp_path: Path, database: Path) -> None:
    assert succeed("export", database, "log.jsonl", cwd=tmp_path) == ""
    text = (tmp_path / "log.jsonl").read_text()
    assert succeed("export", database, cwd=tmp_path) == text
    assert [line["type"] for line in json_lines(text)] == ["Registered", "Registered", "Paid", "headwater.end"]
    [done] = json_lines(succeed("import", "new.db", "log.jsonl", cwd=tmp_path))
    assert done == {"position": 3, "imported": 3, "known": 0, "lines": 4}
    assert log(tmp_path / "new.db") == log(database)
    piped = headwater("import", "new.db", cwd=tmp_path, stdin=text)
    assert json_lines(piped.stdout) == [{"position": 3, "imported": 0, "known": 3, "lines": 4}]
    code, shown = on_terminal("import", "third.db", "log.jsonl", cwd=tmp_path)
    assert code == 0
    assert "importing" in shown
    assert "3 events imported, 0 were there; the log ends at position 3." in shown
    code, shown = on_terminal("export", database, "other.jsonl", cwd=tmp_path)
    assert code == 0
    assert "exporting" in shown
    assert "3/3" in shown


@pytest.mark.row("BS-12")
def test_a_broken_file_is_refused_with_its_line_and_the_import_goes_on_when_it_is_mended(
    tmp_path: Path, database: Path
) -> None:
    lines = succeed("export", database, cwd=tmp_path).splitlines(keepends=True)
    (tmp_path / "log.jsonl").write_text("".join([*lines[:2], lines[2].replace('"amount":5', '"amount":6'), lines[3]]))
    assert "headwater: line 3: the line was altered" in fail("import", "new.db", "log.jsonl", cwd=tmp_path)
    (tmp_path / "log.jsonl").write_text("".join(lines))
    [done] = json_lines(succeed("import", "new.db", "log.jsonl", cwd=tmp_path))
    assert (done["imported"], done["known"]) == (1, 2)
    assert log(tmp_path / "new.db") == log(database)


def test_an_export_replaces_no_file_and_leaves_none_when_it_fails(tmp_path: Path, database: Path) -> None:
    (tmp_path / "log.jsonl").write_text("precious")
    assert "there is a file already" in fail("export", database, "log.jsonl", cwd=tmp_path)
    assert (tmp_path / "log.jsonl").read_text() == "precious"
    fail("export", database, "new.jsonl", "--after", "9", cwd=tmp_path)
    assert not list(tmp_path.glob("new.jsonl*"))
    succeed("export", database, "log.jsonl", "--overwrite", "--after", "2", cwd=tmp_path)
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2
    assert "cannot be written" in fail("export", database, "missing/log.jsonl", cwd=tmp_path)
    assert "cannot be read" in fail("import", "new.db", "missing.jsonl", cwd=tmp_path)


@pytest.mark.row("BS-07", "BS-12")
def test_keys_are_exported_when_asked_for(tmp_path: Path, database: Path) -> None:
    succeed("export", database, "log.jsonl", cwd=tmp_path)
    succeed("export", database, "keys.jsonl", "--keys", cwd=tmp_path)
    succeed("import", "without.db", "log.jsonl", cwd=tmp_path)
    succeed("import", "with.db", "keys.jsonl", cwd=tmp_path)
    assert _names(tmp_path / "without.db", KEY) == [None, None, None]
    assert _names(tmp_path / "with.db", KEY) == ["Ann", "Ben", None]


@pytest.mark.row("BS-07")
def test_a_subject_is_forgotten(tmp_path: Path, database: Path) -> None:
    assert _names(database, KEY) == ["Ann", "Ben", None]
    assert "can't be taken back" in fail("forget", database, "p-1", cwd=tmp_path)
    assert "there is no file" in fail("forget", "mistyped.db", "p-1", cwd=tmp_path)
    assert _names(database, KEY) == ["Ann", "Ben", None]
    assert json_lines(succeed("forget", database, "p-1", "--yes", cwd=tmp_path)) == [
        {"subject": "p-1", "had_key": True}
    ]
    assert _names(database, KEY) == [None, "Ben", None]
    code, shown = on_terminal("forget", database, "p-9", "--yes", cwd=tmp_path)
    assert (code, shown) == (0, "p-9 is forgotten: it had no key, and will never get one.\n")
    [whole] = json_lines(succeed("verify", database, cwd=tmp_path))
    assert whole["whole"]


@pytest.mark.row("BS-07")
def test_the_master_key_is_changed(tmp_path: Path, database: Path) -> None:
    assert "a master key" in fail("rewrap", database, cwd=tmp_path)
    refused = headwater("rewrap", database, cwd=tmp_path, key=NEW_KEY)
    assert (refused.returncode, "needs the master key with fingerprint" in refused.stderr) == (1, True)
    both = f"{people.OTHER},{people.MASTER}"
    assert json_lines(headwater("rewrap", database, cwd=tmp_path, key=both).stdout) == [{"rewrapped": 2}]
    assert _names(database, NEW_KEY) == ["Ann", "Ben", None]
    assert headwater("events", database, cwd=tmp_path, key=KEY).returncode == 1


@pytest.mark.row("ES-25")
def test_a_store_is_migrated(tmp_path: Path) -> None:
    path = version_1(tmp_path)
    assert "older schema version 1" in fail("events", path, cwd=tmp_path)
    [done] = json_lines(succeed("migrate", path, cwd=tmp_path))
    assert done == {"database": str(path), "schema_before": 1, "schema": SCHEMA_VERSION}
    assert len(log(path)) == 6
    code, shown = on_terminal("migrate", "events.db", cwd=tmp_path)
    assert (code, shown) == (0, "events.db was up to date.\n")
    assert "there is no file" in fail("migrate", "missing.db", cwd=tmp_path)


@pytest.mark.parametrize(
    "command", [["append", "s", "T", "{}"], ["migrate"], ["forget", "p-1", "--yes"], ["import"], ["rewrap"]]
)
def test_whoever_writes_already_is_named(tmp_path: Path, command: list[str]) -> None:
    async def main() -> None:
        async with await people.opened(tmp_path):
            done = await asyncio.to_thread(
                headwater, command[0], tmp_path / "events.db", *command[1:], cwd=tmp_path, key=KEY
            )
            assert (done.returncode, done.stdout) == (1, "")
            assert "writes to this store" in done.stderr

    asyncio.run(main())


def test_an_empty_store_can_be_exported(tmp_path: Path) -> None:
    make_store(tmp_path / "events.db")
    [end] = json_lines(succeed("export", "events.db", cwd=tmp_path))
    assert end["data"] == {"position": 0, "hash": "0" * 64}
    assert msgspec.json.decode(succeed("import", "new.db", cwd=tmp_path, stdin=_line(end)))["position"] == 0


def _line(record: dict[str, Any]) -> str:
    return msgspec.json.encode(record).decode() + "\n"
