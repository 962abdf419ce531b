"""Runs the `headwater` command as a user does: in a process of its own, with a pipe or a terminal."""

import asyncio
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec

from headwater.codec import Codec
from headwater.store.model import StoredEvent
from headwater.store.store import EventStore

PROJECT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-W", "error", "-c", "from headwater.cli.main import main; main()"]

_OURS = ("COLUMNS", "LINES", "HEADWATER_APP", "HEADWATER_MASTER_KEY")

# Lets no file of the process grow beyond a size, as a full disk would, and becomes the command.
_LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
os.execv(sys.argv[2], sys.argv[2:])
"""


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _OURS}
    return {
        **kept,
        "TERM": "xterm",
        "PYTHONPATH": os.pathsep.join([str(PROJECT / "src"), str(PROJECT)]),
        "PYTHONUNBUFFERED": "1",
        **more,
    }


def headwater(
    *args: object, cwd: Path, file_limit: int | None = None, stdin: str = "", key: str = "", **more: str
) -> subprocess.CompletedProcess[str]:
    """Run it to its end, with pipes."""
    command = [*COMMAND, *map(str, args)]
    if key:
        more["HEADWATER_MASTER_KEY"] = key
    if file_limit is not None:
        command = [sys.executable, "-c", _LIMITED, str(file_limit), *command]
    return subprocess.run(
        command, cwd=cwd, env=environment(**more), input=stdin, capture_output=True, text=True, check=False
    )


def succeed(*args: object, cwd: Path, stdin: str = "") -> str:
    """Run it, and make sure that it has nothing to complain about. Returns what it printed."""
    done = headwater(*args, cwd=cwd, stdin=stdin)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def fail(*args: object, cwd: Path, code: int = 1, file_limit: int | None = None) -> str:
    """Run it, and make sure that it fails as a command should. Returns what it complained about."""
    done = headwater(*args, cwd=cwd, file_limit=file_limit)
    assert (done.returncode, done.stdout) == (code, "")
    assert "Traceback" not in done.stderr
    return done.stderr


def json_lines(text: str) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in text.splitlines()]


def start(*args: object, cwd: Path) -> subprocess.Popen[str]:
    """Start it, with pipes."""
    return subprocess.Popen(
        [*COMMAND, *map(str, args)],
        cwd=cwd,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def on_terminal(
    *args: object,
    cwd: Path,
    columns: int = 80,
    then: Callable[[str], signal.Signals | None] | None = None,
    program: Sequence[str] = COMMAND,
    **more: str,
) -> tuple[int, str]:
    """Run it on a terminal. Returns its exit code, and all that it printed, without colours.

    Args:
        args: the command's arguments.
        cwd: where it runs.
        columns: the terminal's width.
        then: is shown all that was printed so far whenever there is more, and may answer with a signal to send.
        program: what is run instead.
        more: what is in its environment besides.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    child = subprocess.Popen(
        [*program, *map(str, args)], cwd=cwd, env=environment(**more), stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    try:
        return _watched(child, ours, then)
    finally:
        os.close(ours)


def _watched(
    child: subprocess.Popen[bytes], terminal: int, then: Callable[[str], signal.Signals | None] | None
) -> tuple[int, str]:
    printed = b""
    while chunk := _read(terminal):
        printed += chunk
        number = then(_plain(printed)) if then else None
        if number is not None:
            child.send_signal(number)
            then = None
    return child.wait(), _plain(printed)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # nobody has the other end any more
        return b""


def _plain(printed: bytes) -> str:
    text = printed.decode(errors="replace").replace("\r\n", "\n")
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


async def until_position(path: Path, position: int) -> None:
    """Wait until the log of another process has come so far."""
    async with (
        await EventStore.open(f"sqlite:///{path}", Codec(), read_only=True) as store,
        aclosing(store.follow(max(0, position - 1))) as pages,
    ):
        async for _ in pages:
            return


def log(path: Path) -> list[StoredEvent]:
    """All events of a store, read from outside."""

    async def read() -> list[StoredEvent]:
        async with await EventStore.open(f"sqlite:///{path}", Codec(), read_only=True) as store:
            return [event async for event in store.raw_all()]

    return asyncio.run(read())


def essence(path: Path) -> list[tuple[int, str, int, str, str, object]]:
    """All events of a store, without what differs from run to run: identifiers and times."""
    return [(e.position, e.stream, e.version, e.type, e.data, dict(e.metadata)) for e in log(path)]


def make_store(path: Path) -> None:
    """Make an empty store."""

    async def make() -> None:
        async with await EventStore.open(f"sqlite:///{path}", Codec()):
            pass

    asyncio.run(make())
