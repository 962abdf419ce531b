"""Which changes of a class leave old events readable, and the lock file."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import Codec, Event, Personal, upcast
from headwater.codec import TypeName, TypeRegistry
from headwater.cqrs.manager_step import StepTaken
from headwater.errors import DefinitionError, InvalidLock
from headwater.schema.lock import SchemaLock
from headwater.schema.shape import shape_of
from headwater.schema.widening import misfits

from .ledger import codec


class Line(msgspec.Struct, frozen=True):
    price: int
    note: str = ""


class DearLine(msgspec.Struct, frozen=True):
    price: int
    quantity: int
    note: str = ""


class Tree(msgspec.Struct, frozen=True):
    value: int
    children: tuple[Tree, ...] = ()


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


FIELD_TYPES: list[Any] = [
    int, float, str, bool, datetime, date, UUID, Decimal, int | None, str | None, list[int], tuple[int, str],
    tuple[int, ...], dict[str, int], dict[str, str], Line, DearLine, list[Line], Tree, Colour, Literal["red"],
    Literal["red", "blue", "x"], int | str, Line | None, Annotated[int, msgspec.Meta(ge=1)], object, bytes,
    Annotated[int, msgspec.Meta(ge=0, le=5)], Annotated[str, msgspec.Meta(max_length=3)],
]  # fmt: skip


def made(fields: Mapping[str, Any], defaults: Mapping[str, Any] | None = None) -> type[msgspec.Struct]:
    defaults = defaults or {}
    parts: list[Any] = [
        (name, kind, defaults[name]) if name in defaults else (name, kind) for name, kind in fields.items()
    ]
    return msgspec.defstruct("Sold", parts, frozen=True, kw_only=True)


def reasons(old: type, new: type) -> list[str]:
    return [f"{misfit.field}: {misfit.reason}" for misfit in misfits(shape_of(old), shape_of(new))]


@pytest.mark.row("BC-13")
@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": int, "b": int}, {"a": int}, ["b: the field is gone"]),
        ({"a": int}, {"amount": int}, ["a: the field is gone; is it called 'amount' now?", "amount: the field is new"]),
        ({"a": int}, {"a": str}, ["a: it was integer, and is string"]),
        ({"a": float}, {"a": int}, ["a: it was number, and is integer"]),
        ({"a": int | None}, {"a": int}, ["a: it was integer or null, and is integer"]),
        ({"a": str}, {"a": datetime}, ["a: it was string, and is string date-time"]),
        ({"a": Colour}, {"a": Literal["red"]}, ["a: the value 'blue' is gone"]),
        ({"a": str}, {"a": Colour}, ["a: it was string, and is one of 'blue', 'red'"]),
        ({"a": list[Line]}, {"a": list[DearLine]}, ["a[].quantity: the field is new and has no default"]),
        ({"a": Line | None}, {"a": DearLine | None}, ["a.quantity: the field is new and has no default"]),
        ({"a": dict[str, int]}, {"a": dict[str, bool]}, ["a{}: it was integer, and is boolean"]),
        ({"a": tuple[int, str]}, {"a": tuple[int, int]}, ["a[1]: it was string, and is integer"]),
        ({"a": tuple[int, str]}, {"a": tuple[int]}, ["a: it was array"]),
        ({"a": int}, {"a": Annotated[int, msgspec.Meta(ge=1)]}, ["a: it was integer, and is integer minimum 1"]),
        ({"a": Line}, {"a": dict[str, int]}, ["a: it was object"]),
        ({"a": Tree}, {"a": Line}, ["a.children: the field is gone", "a.price: the field is new", "a.value"]),
    ],
)
def test_what_old_events_wouldn_t_fit_is_named_with_its_field(
    old: dict[str, Any], new: dict[str, Any], expected: list[str]
) -> None:
    found = sorted(reasons(made(old), made(new)))
    for wanted in expected:
        assert any(reason.startswith(wanted) for reason in found), (wanted, found)


@pytest.mark.row("BC-13")
@pytest.mark.parametrize(
    ("old", "new", "defaults"),
    [
        ({"a": int}, {"a": int, "b": int}, {"b": 0}),
        ({"a": int}, {"a": float}, {}),
        ({"a": int}, {"a": int | str}, {}),
        ({"a": int}, {"a": int | None}, {}),
        ({"a": datetime}, {"a": str}, {}),
        ({"a": Colour}, {"a": str}, {}),
        ({"a": Literal["red"]}, {"a": Colour}, {}),
        ({"a": list[DearLine]}, {"a": object}, {}),
        ({"a": tuple[int, int]}, {"a": list[int]}, {}),
        ({"a": Tree}, {"a": Tree}, {}),
        ({"a": Annotated[int, msgspec.Meta(ge=1)]}, {"a": int}, {}),
        ({"a": int}, {"a": int}, {"a": 7}),
    ],
)
def test_what_old_events_still_fit_is_let_through(
    old: dict[str, Any], new: dict[str, Any], defaults: dict[str, Any]
) -> None:
    assert reasons(made(old), made(new, defaults)) == []


def test_a_default_that_changes_changes_the_past() -> None:
    assert reasons(made({"a": str}, {"a": "EUR"}), made({"a": str}, {"a": "USD"})) == [
        "a: its default was 'EUR' and is 'USD': events without the field would mean something else"
    ]
    assert reasons(made({"a": int}, {"a": 1}), made({"a": int})) == ["a: the field has lost its default"]


TEXTS = ["red", "blue", "x", "long text", "2026-01-01T00:00:00Z", "1.5"]
NAMES = st.sampled_from(["price", "note", "quantity", "value", "children"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.sampled_from(TEXTS) | st.floats(-1, 1),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.row("BC-13")
@settings(max_examples=300, deadline=None)
@given(st.sampled_from(FIELD_TYPES), st.sampled_from(FIELD_TYPES), VALUES)
def test_what_is_let_through_is_readable_indeed(old: object, new: object, value: object) -> None:
    """Whatever the old class can read, the new one can, unless the guard has said no."""
    if reasons(made({"a": old}), made({"a": new})):
        return
    try:
        was = msgspec.json.decode(msgspec.json.encode({"a": value}), type=made({"a": old}))
    except msgspec.ValidationError:
        return
    msgspec.json.decode(msgspec.json.encode(was), type=made({"a": new}))


# --- the lock ----------------------------------------------------------------------------------------------------


class Registered(Event, name="registered", subject="person"):
    person: str
    name: Personal[str]


class RegisteredPlainly(Event, name="registered"):
    person: str
    name: str


class Sold(Event, name="sold"):
    lines: tuple[Line, ...]


class Sold2(Event, name="sold", version=2):
    total: int


class Noted(Event, name="noted"):
    text: str


@upcast("sold")
def sold_1(data: dict[str, object]) -> dict[str, object]:
    return {"total": 0}


@pytest.mark.row("BC-13")
def test_a_lock_is_written_sorted_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "lock.json"
    lock = SchemaLock.of(codec())
    lock.write(path)
    assert SchemaLock.read(path) == lock
    assert lock.changes(SchemaLock.of(codec())) == []
    text = path.read_text()
    assert text.index("bank.deposited v3") < text.index("bank.opened v1") < text.index("bank.withdrawn v1")
    assert '"bank.moved v1": [\n      "bank.withdrawn v1",\n      "bank.deposited v1"\n    ]' in text
    assert SchemaLock.read(tmp_path / "none") is None
    for wrong in ("{}}", '{"format": 2}', '{"evts": {}}'):
        path.write_text(wrong)
        with pytest.raises(InvalidLock, match=r"lock\.json is no lock file"):
            SchemaLock.read(path)
    with pytest.raises(InvalidLock, match="can't be written"):
        lock.write(tmp_path)
    with pytest.raises(InvalidLock, match=r"not 'sold'"):
        SchemaLock(events={"sold": {}}).changes(lock)


@pytest.mark.row("BC-13")
class Listed(Event, name="lists.listed"):
    items: tuple[int, ...] = ()
    names: tuple[str, ...] = ("a", "b")


def test_a_default_is_compared_as_a_lock_gives_it_back(tmp_path: Path) -> None:
    SchemaLock.of(Codec.of(Listed)).write(tmp_path / "lock.json")
    read = SchemaLock.read(tmp_path / "lock.json")
    assert read is not None
    assert read.changes(SchemaLock.of(Codec.of(Listed))) == []


def test_headwater_s_own_events_are_in_no_lock_and_an_older_lock_may_have_them() -> None:
    lock = SchemaLock.of(Codec.of(Listed, StepTaken))
    assert list(lock.events) == ["lists.listed v1"]
    older = SchemaLock(1, {**lock.events, "headwater.step v1": {}}, {})
    assert older.changes(lock) == []


def test_what_was_written_once_must_stay_readable() -> None:
    first = SchemaLock.of(Codec.of(Sold, Registered))
    bumped = SchemaLock.of(Codec.of(Sold2, Registered, Noted, upcasters=[sold_1]))
    changes = [(change.type, change.schema, change.compatible) for change in first.changes(bumped)]
    assert changes == [("sold", 1, True), ("noted", 1, True), ("sold", 2, True)]
    [vanished] = bumped.changes(SchemaLock.of(Codec.of(Sold, Sold2, Registered)))[:1]
    assert (vanished.type, vanished.compatible) == ("noted", False)
    unread = bumped.changes(SchemaLock.of(Codec.of(Sold2, Registered, Noted)))
    assert [(change.type, change.schema, change.compatible) for change in unread] == [("sold", 1, False)]
    assert "neither a class nor an upcaster" in unread[0].message
    [plain] = SchemaLock.of(Codec.of(Registered)).changes(SchemaLock.of(Codec.of(RegisteredPlainly)))
    assert (plain.field, plain.compatible) == ("name", False)
    assert "raise its version to 2 and add @upcast('registered', schema=1)" in plain.message


def test_a_lock_that_was_written_and_read_is_the_same(tmp_path: Path) -> None:
    class Filed(Event, name="filed"):
        pages: tuple[int, ...] = ()
        notes: tuple[str, ...] = ("none",)

    lock = SchemaLock.of(Codec.of(Filed, StepTaken))
    lock.write(tmp_path / "lock.json")
    read = SchemaLock.read(tmp_path / "lock.json")
    assert read is not None
    assert read.changes(lock) == []
    assert list(read.events) == ["filed v1"]  # Headwater's own aren't the application's to guard


def test_what_can_t_be_json_has_no_lock() -> None:
    types = TypeRegistry([(made({"a": complex}), TypeName("odd", 1))])
    with pytest.raises(DefinitionError, match="Sold can't be read from JSON"):
        SchemaLock.of(Codec(types))
