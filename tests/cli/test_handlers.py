"""`headwater handlers` and `headwater dead-letters`."""

import subprocess
import sys
from pathlib import Path

import pytest

from .driving import environment, fail, headwater, json_lines, on_terminal, succeed

SHOP = """
import asyncio
import os
from pathlib import Path
from headwater import Application, Backoff, Event, EventHandler, Retry, handle

class Sold(Event):
    amount: int

class Mailer(EventHandler, name="mailer"):
    retry = Retry(2, Backoff(0.001, 0.002))

    @handle
    def sold(self, event: Sold) -> None:
        if event.amount == 13 and not Path("mended").exists():
            raise ValueError("13 brings bad luck")
        with open("mails", "a") as mails:
            mails.write(f"{event.amount} ")

    def before_reset(self) -> None:
        Path("mails").write_text("")

class Idle(EventHandler, name="idle"):
    @handle
    def sold(self, event: Sold) -> None:
        pass

shop = Application("shop", store="sqlite:///shop.db", aggregates=[], handlers=[Mailer, Idle])

async def main():
    async with shop:
        appended = await shop.store.append("shop-1", [Sold(amount) for amount in (1, 13, 2, 13)])
        await shop.wait_for(Mailer, appended.position)
        await shop.wait_for(Idle, appended.position)

if __name__ == "__main__":
    asyncio.run(main())
"""
APP = ["--app", "shop:shop"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP)
    subprocess.run([sys.executable, "shop.py"], cwd=tmp_path, env=environment(), check=True)
    return tmp_path


@pytest.mark.row("BC-01")
def test_dead_letters_are_listed_shown_replayed_and_dropped(folder: Path) -> None:
    listed = json_lines(succeed("dead-letters", "list", *APP, cwd=folder))
    assert [(one["handler"], one["position"], one["error"], one["attempts"]) for one in listed] == [
        ("mailer", 2, "ValueError: 13 brings bad luck", 2),
        ("mailer", 4, "ValueError: 13 brings bad luck", 2),
    ]
    [shown] = json_lines(succeed("dead-letters", "show", "mailer", "2", *APP, cwd=folder))
    assert (shown["stream"], shown["event"]) == ("shop-1", {"amount": 13})
    assert "in sold" in shown["trace"]
    failed = headwater("dead-letters", "replay", "mailer", "--all", *APP, cwd=folder)
    assert failed.returncode == 1
    assert [(one["position"], one["done"]) for one in json_lines(failed.stdout)] == [(2, False), (4, False)]
    (folder / "mended").touch()
    [done] = json_lines(succeed("dead-letters", "replay", "mailer", "2", *APP, cwd=folder))
    assert done == {"handler": "mailer", "position": 2, "done": True, "error": None}
    assert (folder / "mails").read_text() == "1 2 13 "
    succeed("dead-letters", "drop", "mailer", "4", "--reason", "enough", *APP, cwd=folder)
    assert succeed("dead-letters", "list", *APP, cwd=folder) == ""
    assert "there is no handler 'postman'; known: mailer" in fail("dead-letters", "list", "postman", *APP, cwd=folder)


@pytest.mark.row("CM-25")
def test_handlers_are_looked_at_and_reset(folder: Path) -> None:
    code, printed = on_terminal("handlers", "status", *APP, cwd=folder)
    assert code == 0
    assert "dead letters" in printed
    assert "mailer" in printed
    assert json_lines(succeed("handlers", "reset", "mailer", "--to", "2", *APP, cwd=folder)) == [
        {"handler": "mailer", "position": 2}
    ]
    assert (folder / "mails").read_text() == ""
    records = json_lines(succeed("handlers", "status", *APP, cwd=folder))
    assert [(one["handler"], one["dead_letters"], one["owner"]) for one in records] == [
        ("mailer", 2, None),
        ("idle", 0, None),
    ]
    assert records[0]["position"] == 2
    assert "no place to begin" in fail("handlers", "reset", "mailer", "--to", "soon", *APP, cwd=folder)
