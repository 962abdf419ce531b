"""`headwater dead-letters` for what process managers could not handle."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.driving import environment, fail, headwater, json_lines, on_terminal, succeed

APP = ["--app", "meals:app"]
SOURCE = """
import asyncio
from pathlib import Path

from headwater import (
    Aggregate, Application, Backoff, Command, Event, EventHandler, Middleware, ProcessManager, decide, handle, starts
)

class Ordered(Event, name="ordered"):
    table: str
    meal: str

class Cooked(Event, name="cooked"):
    meal: str

class Order(Command, name="order"):
    table: str
    meal: str

class Cook(Command, name="cook"):
    table: str
    meal: str

class Table(Aggregate, identity="table"):
    @decide
    def order(self, command: Order) -> Event:
        return Ordered(command.table, command.meal)

    @decide
    def cook(self, command: Cook) -> Event:
        if command.meal == "cake" and not Path("oven").exists():
            raise ConnectionError("the oven is cold")
        return Cooked(command.meal)

class Waiter(ProcessManager, name="waiter", identity="table", attempts=1, backoff=Backoff(0.001, 0.01)):
    @starts
    def ordered(self, event: Ordered) -> Command:
        if event.meal == "unreadable":
            raise ValueError("what is that?")
        return Cook(event.table, event.meal)

class Bell(EventHandler, name="bell"):
    @handle
    def ring(self, event: Cooked) -> None:
        pass

app = Application(
    "meals", store="sqlite:///meals.db", aggregates=[Table], process_managers=[Waiter], handlers=[Bell], events=[Cooked]
)

async def main() -> None:
    async with app:
        for meal in ("cake", "unreadable", "tea"):
            await app.dispatch(Order("t", meal))
        async for recorded in app.store.subscribe(stream="table-t"):
            if recorded.event == Cooked("tea"):
                break

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "meals.py").write_text(SOURCE)
    subprocess.run([sys.executable, "meals.py"], cwd=tmp_path, env=environment(), check=True, stderr=subprocess.DEVNULL)
    return tmp_path


@pytest.mark.row("BC-01", "CM-30")
def test_letters_of_a_process_manager_are_listed_shown_replayed_and_dropped(folder: Path) -> None:
    listed = json_lines(succeed("dead-letters", "list", *APP, cwd=folder))
    assert [(one["manager"], one["number"], one["instance"], one["type"], one["position"]) for one in listed] == [
        ("waiter", 1, "t", "cook", None),
        ("waiter", 2, "t", "ordered", 2),
    ]
    _, table = on_terminal("dead-letters", "list", "waiter", *APP, cwd=folder, columns=160)
    assert "waiter   1         waiter-t  cook     1" in table
    [command] = json_lines(succeed("dead-letters", "show", "waiter", "1", *APP, cwd=folder))
    assert (command["data"], command["event"]) == ({"table": "t", "meal": "cake"}, None)
    [event] = json_lines(succeed("dead-letters", "show", "waiter", "2", *APP, cwd=folder))
    assert event["event"] == {"table": "t", "meal": "unreadable"}
    assert "in ordered" in event["trace"]
    again = headwater("dead-letters", "replay", "waiter", "1", *APP, cwd=folder)
    assert (again.returncode, json_lines(again.stdout)[0]["done"]) == (1, False)
    (folder / "oven").touch()
    [done] = json_lines(succeed("dead-letters", "replay", "waiter", "1", *APP, cwd=folder))
    assert done["done"] is True
    assert "dead letter 2 of process manager 'waiter' is of the event at 2" in fail(
        "dead-letters", "replay", "waiter", "--all", *APP, cwd=folder
    )
    succeed("dead-letters", "drop", "waiter", "2", "--reason", "served by hand", *APP, cwd=folder)
    assert succeed("dead-letters", "list", *APP, cwd=folder) == ""
    assert "known: bell, waiter" in fail("dead-letters", "list", "cook", *APP, cwd=folder)
