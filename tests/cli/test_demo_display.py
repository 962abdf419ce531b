"""What a run shows while it goes on."""

import re
from pathlib import Path

from headwater.examples.exchange.sources import RecordedSource

from .conftest import Demo
from .driving import headwater, log, on_terminal


def test_the_progress_bar_counts_what_this_run_has_to_do(tmp_path: Path, small_demo: Demo) -> None:
    arguments = ["demo", "exchange", "--input", small_demo.recording, "--database", "demo.db"]
    assert headwater(*arguments, "--limit", "800", cwd=tmp_path).returncode == 0
    row = log(tmp_path / "demo.db")[-1].metadata["row"]
    assert isinstance(row, int)
    left = sum(1 for _ in RecordedSource(small_demo.recording).commands(row))
    code, shown = on_terminal(*arguments, "--resume", "--in-flight", "5", cwd=tmp_path)
    assert code == 0
    assert {int(total) for total in re.findall(r"\d+/(\d+)(?! ms)\b", shown)} == {left}


def test_a_pipe_gets_no_progress_bar_and_no_colours(tmp_path: Path, small_demo: Demo) -> None:
    done = headwater("demo", "exchange", "--input", small_demo.recording, cwd=tmp_path)
    assert "\x1b" not in done.stderr + done.stdout
    assert "━" not in done.stderr
    assert done.stderr.splitlines() == [
        f"Reading {small_demo.recording} …",
        "Reading the log again, to prove what it says …",
    ]


def test_the_report_fits_a_terminal_and_its_next_steps_work(tmp_path: Path, small_demo: Demo) -> None:
    done = headwater("demo", "exchange", "--input", small_demo.recording, cwd=tmp_path)
    report, _, steps = done.stdout.partition("\nLook into it\n")
    assert max(map(len, report.splitlines())) <= 80
    *commands, tail = [line.split()[1:] for line in steps.splitlines()]
    assert [words[0] for words in [*commands, tail]] == ["streams", "events", "state", "handlers", "tail"]
    for words in commands:
        found = headwater(*words, cwd=tmp_path)
        assert (found.returncode, found.stderr) == (0, "")
    assert f"version:{len(small_demo.events) // 2}" in commands[2]
