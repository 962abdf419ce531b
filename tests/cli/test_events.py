"""`headwater events`: the log, event by event."""

import subprocess
from pathlib import Path

import pytest

from .conftest import Demo
from .driving import COMMAND, environment, fail, json_lines, log, on_terminal, succeed

FIELDS = [
    *("position", "stream", "version", "type", "schema", "data"),
    *("id", "recorded_at", "causation", "correlation", "metadata"),
]


def test_a_pipe_gets_every_event_with_all_its_fields(tmp_path: Path, small_demo: Demo) -> None:
    lines = json_lines(succeed("events", small_demo.path, "--limit", "100000", cwd=tmp_path))
    assert all(list(line) == FIELDS for line in lines)
    shown = [(e["position"], e["stream"], e["version"], e["type"], e["metadata"]) for e in lines]
    assert shown == [(*event[:4], event[5]) for event in small_demo.events]
    assert lines[0]["data"] == {"instrument": "btcusd", "price_decimals": 2, "volume_decimals": 8}
    first = log(small_demo.path)[0]
    assert (lines[0]["id"], lines[0]["causation"]) == (str(first.id), str(first.causation))
    assert lines[0]["recorded_at"] == first.recorded_at.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize("stream", [[], ["--stream", "market-btcusd"]])
def test_a_page_begins_and_ends_where_it_is_told_to(tmp_path: Path, small_demo: Demo, stream: list[str]) -> None:
    def positions(*options: str) -> list[int]:
        return [e["position"] for e in json_lines(succeed("events", small_demo.path, *stream, *options, cwd=tmp_path))]

    assert positions() == list(range(1, 21))
    assert positions("--after", "100", "--limit", "3") == [101, 102, 103]
    assert positions("--after", str(len(small_demo.events))) == []


def test_a_terminal_gets_a_table_that_fits(tmp_path: Path, small_demo: Demo) -> None:
    code, shown = on_terminal("events", small_demo.path, "--limit", "150", cwd=tmp_path)
    header, *rows = shown.splitlines()
    assert code == 0
    assert header.split() == ["position", "time", "(UTC)", "stream", "type", "data"]
    assert len(rows) == 150
    assert max(map(len, rows)) <= 80
    assert rows[0].split()[0] == "1"
    assert {row.index("{") for row in rows[:100]} == {header.index("data")}  # one column under the other
    assert rows[0].endswith("…")


def test_a_table_of_one_stream_counts_its_versions_and_leaves_its_name_out(tmp_path: Path, small_demo: Demo) -> None:
    arguments = ["events", small_demo.path, "--stream", "market-btcusd", "--after", "7", "--limit", "1"]
    code, shown = on_terminal(*arguments, cwd=tmp_path, columns=200)
    header, row = shown.splitlines()
    assert code == 0
    assert header.split() == ["version", "time", "(UTC)", "type", "data"]
    assert row.split()[0] == "8"
    assert row.endswith(small_demo.events[7][4])


def test_a_stream_that_does_not_exist_is_not_shown_as_an_empty_one(tmp_path: Path, small_demo: Demo) -> None:
    complaint = fail("events", small_demo.path, "--stream", "market-btcuds", cwd=tmp_path)
    assert "has no stream 'market-btcuds'; `headwater streams` lists those that it has" in complaint


@pytest.mark.parametrize("options", [["--limit", "0"], ["--after", str(2**63)]])
def test_numbers_that_make_no_sense_are_refused(tmp_path: Path, small_demo: Demo, options: list[str]) -> None:
    assert options[0] in fail("events", small_demo.path, *options, cwd=tmp_path, code=2)


def test_very_large_numbers_are_numbers(tmp_path: Path, small_demo: Demo) -> None:
    assert succeed("events", small_demo.path, "--after", str(2**63 - 1), cwd=tmp_path) == ""
    lines = succeed("events", small_demo.path, "--limit", str(10**20), cwd=tmp_path)
    assert len(lines.splitlines()) == len(small_demo.events)


@pytest.mark.parametrize("command", [["events", "--limit", "100000"], ["tail", "--last", "100000"]])
def test_a_reader_that_has_seen_enough_ends_it_quietly(tmp_path: Path, small_demo: Demo, command: list[str]) -> None:
    arguments = [*COMMAND, *command, str(small_demo.path)]
    with subprocess.Popen(
        arguments, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline().startswith("{")
        child.stdout.close()
        complaint = child.stderr.read()
    assert (child.returncode, complaint) == (0, "")
