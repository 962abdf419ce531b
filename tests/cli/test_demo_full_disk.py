"""A disk that is full stops a run, and costs nothing that was answered."""

import shlex
from pathlib import Path

from .conftest import Demo
from .driving import essence, fail, headwater


def test_a_run_on_a_full_disk_can_be_gone_on_with_when_there_is_room(tmp_path: Path, demo: Demo) -> None:
    path = tmp_path / "demo.db"
    arguments = ["demo", "exchange", "--input", demo.recording, "--database", path]
    *_, cause, how = fail(*arguments, cwd=tmp_path, file_limit=1_000_003).splitlines()
    assert cause.startswith(f"headwater: {path}: a write failed; the disk, a quota or ")
    found = essence(path)
    assert 0 < len(found) < len(demo.events)
    assert found == demo.events[: len(found)]
    done = headwater(*shlex.split(how.removeprefix("Go on with: headwater ")), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert essence(path) == demo.events


def test_no_room_for_a_store_at_all(tmp_path: Path, demo: Demo) -> None:
    arguments = ["demo", "exchange", "--input", demo.recording, "--database", "demo.db"]
    assert f"headwater: {tmp_path / 'demo.db'}: a write failed; the disk, a quota or " in fail(
        *arguments, cwd=tmp_path, file_limit=1_000
    )
    assert headwater(*arguments, "--limit", "10", cwd=tmp_path).returncode == 0
