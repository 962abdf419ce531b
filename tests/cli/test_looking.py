"""What `streams`, `events` and `state` have in common: where they look, and how they show it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from headwater.cli.main import app

from .conftest import Demo
from .driving import fail, headwater, json_lines, on_terminal, succeed

EXCHANGE = "headwater.examples.exchange.venue:exchange"
LOOKING = [
    ["streams", "DATABASE"],
    ["events", "DATABASE"],
    ["tail", "DATABASE"],
    ["verify", "DATABASE"],
    ["state", "Market", "btcusd", "--app", EXCHANGE, "--database", "DATABASE"],
]


def _at(words: list[str], database: object) -> list[object]:
    return [database if word == "DATABASE" else word for word in words]


@pytest.mark.parametrize("words", LOOKING, ids=lambda words: str(words[0]))
def test_a_missing_database_is_named_and_not_made(tmp_path: Path, words: list[str]) -> None:
    assert fail(*_at(words, "no.db"), cwd=tmp_path) == (
        "headwater: there is no file 'no.db': an application makes it when it runs the first time, or a demo\n"
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", LOOKING, ids=lambda words: str(words[0]))
def test_a_file_that_is_no_store_is_not_touched(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "diary").write_text("dear diary")
    assert "this is not a SQLite file" in fail(*_at(words, "diary"), cwd=tmp_path)
    assert (tmp_path / "diary").read_text() == "dear diary"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_url_that_nothing_is_behind_is_refused(tmp_path: Path) -> None:
    assert "there is no event store here" in fail("events", f"sqlite:///{tmp_path}/no.db", cwd=tmp_path)
    assert "supported: sqlite:///relative.db, sqlite:////absolute/path.db, postgresql://" in fail(
        "events", "mongodb://here", cwd=tmp_path
    )


def test_streams_are_lines_of_json_in_a_pipe(tmp_path: Path, small_demo: Demo) -> None:
    last = len(small_demo.events)
    expected = {"stream": "market-btcusd", "version": last, "first_position": 1, "last_position": last}
    assert json_lines(succeed("streams", small_demo.path, cwd=tmp_path)) == [expected]
    assert json_lines(succeed("streams", f"sqlite:///{small_demo.path}", cwd=tmp_path)) == [expected]
    assert succeed("streams", small_demo.path, "--after", "market-btcusd", cwd=tmp_path) == ""


def test_streams_are_a_table_on_a_terminal(tmp_path: Path, small_demo: Demo) -> None:
    code, shown = on_terminal("streams", small_demo.path, cwd=tmp_path)
    assert code == 0
    last = str(len(small_demo.events))
    assert [line.split() for line in shown.splitlines()] == [
        ["stream", "version", "first", "position", "last", "position"],
        ["market-btcusd", last, "1", last],
    ]
    code, shown = on_terminal("streams", small_demo.path, "--json", cwd=tmp_path)
    assert json_lines(shown)[0]["stream"] == "market-btcusd"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], ["streams", "events", "state", "tail", "demo"]),
        (["streams"], ["DATABASE", "--limit", "--after", "--json"]),
        (["events"], ["DATABASE", "--stream", "--after", "--limit", "--json", "recorded_at"]),
        (["state"], ["TYPE", "ID", "--app", "--database", "--at", "version:7", "HEADWATER_APP"]),
        (["tail"], ["DATABASE", "--stream", "--last", "Ctrl-C"]),
        (["demo"], ["exchange"]),
        (["demo", "exchange"], ["--input", "--database", "--limit", "--resume", "[stop|skip]", "--in-flight"]),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else None,
)
def test_every_command_explains_itself_in_80_columns(words: list[str], says: list[str]) -> None:
    done = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "80"}, prog_name="headwater")
    text = done.output
    assert done.exit_code == 0
    assert [word for word in says if word not in text] == []
    assert "..." not in text.replace("[ARGS]...", "")  # no sentence is cut
    assert max(map(len, text.splitlines())) <= 80
    assert "Traceback" not in text


def test_without_a_command_it_tells_which_there_are(tmp_path: Path) -> None:
    done = headwater(cwd=tmp_path)
    assert done.returncode == 2
    assert "Commands:" in done.stdout + done.stderr
