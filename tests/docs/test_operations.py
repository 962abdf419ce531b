"""Every command in "Operating it" can be typed in, in the order in which they stand there."""

import asyncio
import re
import shlex
from pathlib import Path

import pytest

from headwater import Codec, Event, EventStore, generate_master_key
from tests.cli.driving import environment, headwater, json_lines
from tests.postgres_server import own_schema, with_options

CHAPTER = Path(__file__).parents[2] / "docs" / "guide" / "operations.md"
COMMANDS = re.compile(r"^    headwater (.*)$|`headwater\s+(\w+\s[^`]*)`", re.MULTILINE)
PROGRAM = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)

APP = """
from headwater import Application, Event

class Deposited(Event):
    amount: int

app = Application("bank", store="sqlite:///bank.db", aggregates=[], events=[Deposited])
"""


class Deposited(Event):
    amount: int


class Bank:
    """A folder with a store, and what stands for the ellipses in the commands."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.key = generate_master_key()
        self.head = ""
        self.url = url
        (folder / "bank.py").write_text(APP)
        asyncio.run(self._fill())

    async def _fill(self) -> None:
        path = self.folder / "bank.db"
        async with await EventStore.open(f"sqlite:///{path}", Codec.of(Deposited), master_key=self.key) as store:
            await store.append("account-1", [Deposited(50), Deposited(20)])

    def arguments(self, command: str) -> list[str]:
        """What somebody would type."""
        command = command.replace("postgresql://…/bank", f"'{self.url}'")
        command = re.sub(r"<the hash [^>]*>|5f0c…", self.head, command)
        return shlex.split(re.sub(r"<the position [^>]*>", "1", command))

    def run(self, command: str) -> None:
        arguments = self.arguments(command)
        if arguments[0] == "forget":
            arguments.append("--yes")  # a pipe can't be asked
        done = headwater(*arguments, cwd=self.folder, key=self.key, PYTHONPATH=self._path())
        assert (done.returncode, done.stderr) == (0, ""), command
        if arguments[0] == "backup":
            self.head = json_lines(done.stdout)[0]["head"]

    def _path(self) -> str:
        return f"{environment()['PYTHONPATH']}:{self.folder}"


@pytest.mark.row("BS-12")
def test_every_command_does_what_it_should(tmp_path: Path, postgres: str) -> None:
    bank = Bank(tmp_path, with_options(postgres, schema=own_schema(tmp_path)))
    text = PROGRAM.sub("", CHAPTER.read_text())
    commands = [" ".join((indented or inline).split()) for indented, inline in COMMANDS.findall(text)]
    assert {command.split()[0] for command in commands} >= {
        *("backup", "verify", "rewrap", "forget", "export", "import", "migrate"),
        *("streams", "events", "tail", "append"),
    }
    for command in commands:
        if not command.startswith("tail "):  # it never ends: tests/cli/test_tail.py sees to it
            bank.run(command)
