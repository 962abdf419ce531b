"""The commands on PostgreSQL: a log moves there, and back, and is looked at there."""

import asyncio
from pathlib import Path

import pytest

from tests.postgres_server import own_schema, with_options
from tests.store.trust import people

from .driving import fail, headwater, json_lines, log, succeed


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A store with two people in it, one of whom is forgotten, a link, and a stream that was deleted."""

    async def make() -> None:
        async with await people.opened(tmp_path) as store:
            await store.append("people", [people.Registered(f"p-{n}", f"Name {n}") for n in range(1_500)])
            await store.append("payments", [people.Paid(n) for n in range(5)], metadata={"by": "Zoë"})
            await store.link("p-1", [1, 1_501])
            await store.delete_stream("payments")
            await store.forget("p-2")

    asyncio.run(make())
    return tmp_path / "events.db"


@pytest.mark.row("BS-12")
def test_a_log_moves_from_sqlite_to_postgresql_and_back(tmp_path: Path, database: Path, postgres: str) -> None:
    url = with_options(postgres, schema=own_schema(tmp_path))
    [made] = json_lines(succeed("backup", database, "before-moving.db", cwd=tmp_path))
    succeed("export", database, "log.jsonl", "--keys", cwd=tmp_path)
    succeed("import", url, "log.jsonl", cwd=tmp_path)
    [verified] = json_lines(succeed("verify", url, "--head", made["head"], cwd=tmp_path))
    assert verified["head"] == made["head"]
    assert succeed("streams", url, cwd=tmp_path) == succeed("streams", database, cwd=tmp_path)

    def events(store: object, *options: str) -> str:
        done = headwater("events", store, *options, cwd=tmp_path, key=people.MASTER)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    assert events(url, "--limit", "5000") == events(database, "--limit", "5000")
    assert '"name":null' in events(url, "--limit", "5000")  # who was forgotten, and nobody else
    assert events(url, "--stream", "p-1") == events(database, "--stream", "p-1")

    succeed("export", url, "back.jsonl", "--keys", cwd=tmp_path)
    assert (tmp_path / "back.jsonl").read_bytes() == (tmp_path / "log.jsonl").read_bytes()
    succeed("import", "back.db", "back.jsonl", cwd=tmp_path)
    assert log(tmp_path / "back.db") == log(database)


@pytest.mark.row("ES-25", "BS-07")
def test_what_writes_works_on_postgresql_and_shows_no_password(tmp_path: Path, database: Path, postgres: str) -> None:
    url = with_options(postgres, schema=own_schema(tmp_path)).replace("postgres:@", "postgres:secret@")
    succeed("export", database, "log.jsonl", "--keys", cwd=tmp_path)
    succeed("import", url, "log.jsonl", cwd=tmp_path)
    [done] = json_lines(succeed("append", url, "payments", "Noted", "{}", "--expected", "none", cwd=tmp_path))
    assert (done["stream"], done["version"], done["position"]) == ("payments", 6, 1_506)
    again = headwater("append", url, "payments", "Noted", "{}", "--expected", "5", cwd=tmp_path)
    assert (again.returncode, again.stdout) == (3, "")
    assert json_lines(succeed("forget", url, "p-7", "--yes", cwd=tmp_path)) == [{"subject": "p-7", "had_key": True}]
    [migrated] = json_lines(succeed("migrate", url, cwd=tmp_path))
    assert own_schema(tmp_path) in migrated["database"]
    refused = fail("backup", url, "copy.db", cwd=tmp_path)
    assert "pg_dump" in refused
    assert "secret" not in migrated["database"] + refused
