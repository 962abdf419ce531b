"""`headwater check`: as in CI."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from headwater import EventStore
from tests.schema.ledger import codec, old_codec
from tests.schema.test_upcasting import OLD

from .driving import fail, headwater, json_lines, on_terminal, succeed

SHOP = """
from headwater import Application, Event, upcast

class Sold(Event, name="shop.sold"{version}):
    {fields}

{more}

shop = Application("shop", store="sqlite:///shop.db", aggregates=[], events=[Sold], upcasters=[{upcasters}])
"""
UPCASTER = '@upcast("shop.sold")\ndef sold_1(data: dict) -> dict:\n    return {"price": data["amount"]}'


def _shop(folder: Path, fields: str, *, version: int = 1, more: str = "", upcasters: str = "") -> None:
    text = SHOP.format(
        version="" if version == 1 else f", version={version}",
        fields="\n    ".join(fields.split("; ")),
        more=more,
        upcasters=upcasters,
    )
    (folder / "shop.py").write_text(text)


@pytest.mark.row("BC-13")
def test_a_change_goes_through_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "headwater.lock.json"
    _shop(tmp_path, "amount: int")
    assert "there is no headwater.lock.json: run `headwater check shop:shop --update`" in _stale(tmp_path)
    assert not lock.exists()
    succeed("check", "shop:shop", "--update", cwd=tmp_path)
    agreed = lock.read_text()
    assert succeed("check", "shop:shop", cwd=tmp_path) == ""

    _shop(tmp_path, "price: int")  # renamed, without a new version
    complaint = _broken(tmp_path, "--update")
    assert "shop.sold v1, field 'amount': the field is gone; is it called 'price' now?" in complaint
    assert "raise its version to 2 and add @upcast('shop.sold', schema=1)" in complaint
    assert lock.read_text() == agreed  # --update writes nothing that breaks

    _shop(tmp_path, "price: int", version=2)  # a new version, without an upcaster
    assert "shop.sold v1: shop.sold has come to version 2" in fail("check", "shop:shop", cwd=tmp_path)

    _shop(tmp_path, "price: int", version=2, more=UPCASTER, upcasters="sold_1")
    succeed("check", "shop:shop", "--update", cwd=tmp_path)

    _shop(tmp_path, "price: int; note: str = ''", version=2, more=UPCASTER, upcasters="sold_1")  # compatible
    done = headwater("check", "shop:shop", cwd=tmp_path)
    assert done.returncode == 3
    [change] = json_lines(done.stdout)
    assert change == {
        "check": "schema", "type": "shop.sold", "schema": 2, "field": None, "compatible": True,
        "message": "its fields have changed, and old events still fit",
    }  # fmt: skip

    (tmp_path / "shop.py").write_text(
        'from headwater import Application\nshop = Application("shop", store="memory://", aggregates=[])'
    )
    vanished = _broken(tmp_path)
    assert "shop.sold v1: events of it may be stored, but it has neither a class nor an upcaster" in vanished
    assert "shop.sold v2: events of it may be stored" in vanished
    lock.write_text("[]")
    assert "is no lock file" in fail("check", "shop:shop", cwd=tmp_path)


def _stale(folder: Path) -> str:
    done = headwater("check", "shop:shop", cwd=folder)
    assert done.returncode == 3
    return done.stderr


def _broken(folder: Path, *options: str) -> str:
    done = headwater("check", "shop:shop", *options, cwd=folder)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


LEDGER = "from tests.schema.ledger import ledger\napplication = ledger('sqlite:///events.db')\n"


@pytest.mark.row("BC-13")
def test_a_whole_log_is_read_with_the_code(tmp_path: Path) -> None:
    (tmp_path / "bank.py").write_text(LEDGER)
    succeed("check", "bank:application", "--update", cwd=tmp_path)

    async def write(*, more: bool) -> None:
        async with await EventStore.open(f"sqlite:///{tmp_path}/events.db", old_codec()) as store:
            if not more:
                await store.append("ledger-l-1", OLD)
                return
            from headwater.store.model import NewEvent
            from headwater.types import IdSource

            ids = IdSource()
            unknown = [NewEvent("bank.unknown", 1, b"{}", ids.next().bytes) for _ in range(2)]
            broken = NewEvent("bank.paid", 1, b'{"amount": "a lot", "owner": "o"}', ids.next().bytes)
            await store.append_encoded("s", [*unknown, broken])

    asyncio.run(write(more=False))
    lines = json_lines(succeed("check", "bank:application", "--database", "events.db", cwd=tmp_path))
    counted = {(line["type"], line["schema"]): (line["events"], line["first_position"]) for line in lines}
    assert counted == {
        ("bank.deposited", 1): (1, 1), ("bank.moved", 1): (2, 3), ("bank.opened", 1): (1, 6), ("bank.paid", 1): (1, 4),
        ("bank.pinged", 1): (2, 2),
    }  # fmt: skip
    asyncio.run(write(more=True))
    done = headwater("check", "bank:application", "--database", "events.db", cwd=tmp_path)
    assert done.returncode == 1
    assert "2 events of bank.unknown v1 can't be read: position 8, stream 's', version 1: no class" in done.stderr
    assert "1 events of bank.paid v1 can't be read: position 10" in done.stderr
    _, shown = on_terminal("check", "bank:application", "--database", "events.db", cwd=tmp_path)
    assert "bank.unknown" in shown
    assert "first position" in shown
    assert "ledger: 3 classes of events, 5 upcasters." in shown


@pytest.mark.row("BS-08")
def test_the_events_between_two_moments_and_what_each_changed(tmp_path: Path) -> None:
    (tmp_path / "bank.py").write_text(LEDGER)

    async def write() -> None:
        async with await EventStore.open(f"sqlite:///{tmp_path}/events.db", old_codec()) as store:
            await store.append("ledger-l-1", OLD)

    asyncio.run(write())
    assert len(list(codec().upcasters)) == 5
    command = ["state", "Ledger", "l-1", "--app", "bank:application"]
    lines = json_lines(succeed(*command, "--since", "version:2", "--at", "position:4", cwd=tmp_path))
    assert [(line["version"], line["index"], line["type"], line["changes"]) for line in lines] == [
        (3, 0, "bank.withdrawn", {"balance": {"before": 100, "after": 70}}),
        (3, 1, "bank.deposited", {"balance": {"before": 70, "after": 80}}),
        (4, 0, "bank.withdrawn", {"balance": {"before": 80, "after": 60}}),
    ]
    everything = json_lines(succeed(*command, "--since", "0", cwd=tmp_path))
    assert [line["version"] for line in everything] == [1, 3, 3, 4, 5, 6]
    assert everything[-1]["changes"] == {}
    _, shown = on_terminal(*command, "--since", "0", cwd=tmp_path)
    assert "balance: 100 → 70" in shown
    assert "changed" in shown
    done = headwater(*command, "--since", "version:6", "--at", "version:6", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert "Nothing happened to Ledger 'l-1' between these moments." in done.stderr
    assert "is no moment" in fail(*command, "--since", "yesterday", cwd=tmp_path)
