"""A new run never takes a file that is not its own."""

import asyncio
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from headwater.codec import Codec
from headwater.examples.exchange.messages import OpenBook
from headwater.examples.exchange.venue import DEMO_FILE, venue
from headwater.store.store import EventStore
from tests.bank import Deposit, bank
from tests.examples.exchange.recordings import write_generated_recording

from .conftest import Demo
from .driving import essence, fail, headwater, log


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return write_generated_recording(tmp_path, 300)


def _bank_at(path: Path) -> None:
    async def make() -> None:
        async with bank(path.parent) as application:
            await application.dispatch(Deposit("a", 50))

    asyncio.run(make())
    (path.parent / "bank.db").rename(path)


def test_the_default_file_of_an_earlier_run_is_replaced(tmp_path: Path, recording: Path) -> None:
    first = headwater("demo", "exchange", "--input", recording, cwd=tmp_path)
    assert first.returncode == 0
    assert "Replacing" not in first.stderr
    ids = {event.id for event in log(tmp_path / DEMO_FILE)}
    second = headwater("demo", "exchange", "--input", recording, cwd=tmp_path)
    assert second.returncode == 0
    assert f"Replacing {DEMO_FILE}, which an earlier demo left behind." in second.stderr
    beside = [path.name for path in tmp_path.glob(f"{DEMO_FILE}*")]
    assert beside == [DEMO_FILE]
    again = log(tmp_path / DEMO_FILE)
    assert len(again) == len(ids)
    assert ids.isdisjoint(event.id for event in again)


def test_a_bad_input_does_not_cost_the_file_of_an_earlier_run(tmp_path: Path, small_demo: Demo) -> None:
    shutil.copy(small_demo.path, tmp_path / DEMO_FILE)
    before = essence(tmp_path / DEMO_FILE)
    fail("demo", "exchange", "--input", tmp_path / "missing_orders.csv", cwd=tmp_path)
    assert essence(tmp_path / DEMO_FILE) == before


def test_a_file_that_was_named_is_never_replaced(tmp_path: Path, recording: Path, small_demo: Demo) -> None:
    arguments = ["demo", "exchange", "--input", recording, "--database", "mine.db"]
    shutil.copy(small_demo.path, tmp_path / "mine.db")
    before = (tmp_path / "mine.db").read_bytes()
    complaint = fail(*arguments, cwd=tmp_path)
    assert complaint == (
        "headwater: mine.db exists already: go on with it (--resume), or name another file (--database)\n"
    )
    assert (tmp_path / "mine.db").read_bytes() == before


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("resume", [False, True])
def test_the_store_of_another_application_is_left_alone(
    tmp_path: Path, recording: Path, named: bool, resume: bool
) -> None:
    path = tmp_path / DEMO_FILE
    _bank_at(path)
    before = path.read_bytes()
    arguments = ["--database", path] if named else []
    complaint = fail("demo", "exchange", "--input", recording, *arguments, *["--resume"] * resume, cwd=tmp_path)
    assert complaint.startswith(f"headwater: {path} holds the events of another application, not of the demo")
    assert path.read_bytes() == before
    assert len(log(path)) == 1


def test_a_book_that_no_demo_opened_is_left_alone(tmp_path: Path, recording: Path) -> None:
    """The exchange itself may be used for something else than the demo."""
    path = tmp_path / DEMO_FILE

    async def trade() -> None:
        async with venue(f"sqlite:///{path}") as application:
            await application.dispatch(OpenBook("btcusd", 2, 8))

    asyncio.run(trade())
    assert "another application" in fail("demo", "exchange", "--input", recording, cwd=tmp_path)
    assert len(log(path)) == 1


@pytest.mark.parametrize("resume", [False, True])
def test_a_file_that_is_something_else_is_not_touched(tmp_path: Path, recording: Path, resume: bool) -> None:
    path = tmp_path / DEMO_FILE
    path.write_bytes(b"my diary\n" * 100)
    complaint = fail("demo", "exchange", "--input", recording, *["--resume"] * resume, cwd=tmp_path)
    assert f"{path}: this is not a SQLite file" in complaint
    assert path.read_bytes() == b"my diary\n" * 100
    assert [found.name for found in tmp_path.glob(f"{DEMO_FILE}*")] == [DEMO_FILE]


def test_a_database_of_another_program_is_not_touched(tmp_path: Path, recording: Path) -> None:
    path = tmp_path / DEMO_FILE
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE diary (entry TEXT)")
    before = path.read_bytes()
    assert "of another program" in fail("demo", "exchange", "--input", recording, cwd=tmp_path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("more", [[], ["--resume"], ["--database", DEMO_FILE]])
def test_a_store_that_somebody_writes_is_refused_by_the_name_of_its_owner(
    tmp_path: Path, recording: Path, small_demo: Demo, more: list[str]
) -> None:
    shutil.copy(small_demo.path, tmp_path / DEMO_FILE)
    path = tmp_path / DEMO_FILE
    before = essence(path)

    async def hold() -> str:
        async with await EventStore.open(f"sqlite:///{path}", Codec()):
            return fail("demo", "exchange", "--input", recording, *more, cwd=tmp_path)

    assert f"process {os.getpid()} " in asyncio.run(hold())
    assert essence(path) == before


def test_an_empty_file_is_as_good_as_none(tmp_path: Path, recording: Path) -> None:
    (tmp_path / "empty.db").touch()
    arguments = ["demo", "exchange", "--input", recording, "--database", "empty.db"]
    assert headwater(*arguments, cwd=tmp_path).returncode == 0
    assert log(tmp_path / "empty.db")


def test_a_missing_directory_is_named(tmp_path: Path, recording: Path) -> None:
    arguments = ["demo", "exchange", "--input", recording, "--database", "nowhere/demo.db"]
    assert f"there is no directory {tmp_path / 'nowhere'}" in fail(*arguments, cwd=tmp_path)
    assert "this is a directory" in fail("demo", "exchange", "--input", recording, "--database", tmp_path, cwd=tmp_path)
