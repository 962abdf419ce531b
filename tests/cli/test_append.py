"""`headwater append`: an event by hand."""

from pathlib import Path
from uuid import uuid4

import pytest

from headwater.store.master_key import generate_master_key

from .driving import fail, headwater, json_lines, log, make_store, on_terminal, succeed

APPLICATION = """
from headwater import Aggregate, Application, Command, Event, Personal, evolve

class Registered(Event, subject="person", tags=("person",)):
    person: str
    name: Personal[str]

class Person(Aggregate, identity="person"):
    @evolve
    def registered(self, event: Registered) -> None: ...

app = Application("people", store="memory://", aggregates=[Person], events=[Registered])
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    make_store(tmp_path / "events.db")
    return tmp_path / "events.db"


def test_an_event_is_appended_with_all_that_is_said_of_it(tmp_path: Path, database: Path) -> None:
    id_ = uuid4()
    arguments = ["append", database, "account-1", "Deposited", '{"amount": 50}', "--expected", "none", "--tag", "a"]
    more = ["--tag", "b", "--schema", "2", "--metadata", '{"user": "u"}', "--id", id_]
    [done] = json_lines(succeed(*arguments, *more, cwd=tmp_path))
    assert done == {"stream": "account-1", "version": 1, "position": 1, "id": str(id_)}
    assert json_lines(succeed(*arguments, *more, cwd=tmp_path)) == [done]  # the same event, by its identifier
    [event] = log(database)
    assert (event.type, event.schema, event.data) == ("Deposited", 2, '{"amount": 50}')
    assert (event.tags, event.metadata, event.id) == (("a", "b"), {"user": "u"}, id_)


def test_data_comes_from_a_pipe(tmp_path: Path, database: Path) -> None:
    done = headwater("append", database, "s", "T", cwd=tmp_path, stdin='{"n": 1}\n')
    assert done.returncode == 0, done.stderr
    assert [event.data for event in log(database)] == ['{"n": 1}']


def test_a_terminal_is_told_where_the_event_lies(tmp_path: Path, database: Path) -> None:
    code, shown = on_terminal("append", database, "s", "T", "{}", cwd=tmp_path)
    assert (code, shown) == (0, "s is at version 1, the event at position 1.\n")


def test_another_version_than_expected_has_an_exit_code_of_its_own(tmp_path: Path, database: Path) -> None:
    complaint = fail("append", database, "s", "T", "{}", "--expected", "5", cwd=tmp_path, code=3)
    assert complaint == "headwater: stream 's' is at version 0, but the append expected version 5\n"
    fail("append", database, "s", "T", "{}", "--expected", "exists", cwd=tmp_path, code=3)
    assert log(database) == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["s", "T", "{"], "the data of a T is not JSON"),
        (["s", "T", ""], "the data of a T is not JSON"),
        (["", "T", "{}"], "a stream's name is empty"),
        (["s", "", "{}"], "a type has a name"),
        (["s", "T", "{}", "--tag", ""], "a tag is empty"),
        (["s", "T", "{}", "--metadata", "[]"], "metadata is a JSON object"),
        (["s", "T", "{}", "--expected", "five"], "not 'five'"),
    ],
)
def test_what_can_not_be_meant_is_refused(tmp_path: Path, database: Path, arguments: list[str], complaint: str) -> None:
    assert complaint in fail("append", database, *arguments, cwd=tmp_path)
    assert log(database) == []


def test_no_store_is_made_by_accident(tmp_path: Path) -> None:
    assert "there is no file" in fail("append", "missing.db", "s", "T", "{}", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.row("BS-07")
def test_an_application_checks_the_event_gives_tags_and_encrypts(tmp_path: Path, database: Path) -> None:
    (tmp_path / "people.py").write_text(APPLICATION)
    event = ["append", database, "person-p-1", "Registered", '{"person":"p-1","name":"Ann Example"}']
    key = generate_master_key()
    refused = headwater(*event, "--app", "people:app", cwd=tmp_path)
    assert (refused.returncode, "HEADWATER_MASTER_KEY" in refused.stderr) == (1, True)
    done = headwater(*event, "--app", "people:app", cwd=tmp_path, key=key)
    assert (done.returncode, done.stderr) == (0, "")
    assert "expected `str" in fail(*event[:-1], '{"person":1}', "--app", "people:app", cwd=tmp_path).lower()
    [stored] = log(database)
    assert stored.tags == ("person:p-1",)
    assert "Ann" not in stored.data
    [shown] = json_lines(headwater("events", database, cwd=tmp_path, key=key).stdout)
    assert shown["data"] == {"person": "p-1", "name": "Ann Example"}
