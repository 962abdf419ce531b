"""Chains of upcasters, by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headwater import Application, Codec, Event, EventStore, Raw, upcast
from headwater.errors import BrokenUpcasters, DefinitionError
from headwater.upcaster import AnyUpcaster

from .ledger import UPCASTERS, Deposited, Withdrawn, codec, named_amount, split


class Sold(Event, name="sold", version=3):
    amount: int


class TakenOut(Event, name="bank.withdrawn"):
    amount: int


@upcast("sold", schema=1)
def one(data: dict[str, object]) -> dict[str, object]:
    return data


@upcast("sold", schema=2)
def two(data: dict[str, object]) -> dict[str, object]:
    return data


@upcast("sold", schema=1)
def one_again(data: dict[str, object]) -> dict[str, object]:
    return data


@upcast("sold", schema=3)
def current(data: dict[str, object]) -> dict[str, object]:
    return data


@upcast("bought", to=[("lost", 4)])
def astray(data: dict[str, object]) -> Raw:
    return Raw("lost", data, 4)


@upcast("there", to=[("back", 1)])
def there(data: dict[str, object]) -> Raw:
    return Raw("back", data)


@upcast("back", to=[("there", 1), ("sold", 3)])
def back(data: dict[str, object]) -> Raw:
    return Raw("there", data)


@upcast("gone", schema=2, to=())
def gone(data: dict[str, object]) -> None: ...


@pytest.mark.row("BS-09")
@pytest.mark.parametrize(
    ("upcasters", "fault", "message"),
    [
        ([two], ("sold", 1), "sold v1: .*add an upcaster"),
        ([one], ("sold", 2), "sold v2: "),
        ([one, two, one_again], ("sold", 1), "two upcasters.*one and .*one_again"),
        ([one, two, current], ("sold", 3), "raise the class's version"),
        ([one, two, astray], ("lost", 4), "astray leads to it"),
        ([one, two, there, back], ("there", 1), "circle: there v1 → back v1 → there v1"),
        ([one, two, gone], ("gone", 1), "gone has come to version 2"),
    ],
)
def test_a_chain_is_checked_before_anything_is_opened(
    tmp_path: Path, upcasters: list[AnyUpcaster], fault: tuple[str, int], message: str
) -> None:
    async def main() -> None:
        await EventStore.open(f"sqlite:///{tmp_path}/events.db", Codec.of(Sold), upcasters=upcasters)

    with pytest.raises(BrokenUpcasters, match=message) as caught:
        asyncio.run(main())
    assert (caught.value.type, caught.value.schema) == fault
    with pytest.raises(BrokenUpcasters, match=message):
        Application("a", store="memory://", aggregates=[], events=[Sold], upcasters=upcasters)
    assert not list(tmp_path.iterdir())


def test_definitions_that_make_no_sense() -> None:
    wrongs: list[Callable[[], object]] = [
        lambda: upcast("sold", schema=0),
        lambda: upcast("sold", to=[("other", 0)]),
        lambda: upcast("sold", to=[("other", 1), ("other", 1)]),
        lambda: upcast("sold")(lambda: None),
        lambda: upcast("sold")(lambda _a, _b, _c: {}),
        lambda: Codec.of(Sold, upcasters=[one.__call__]),  # type: ignore[list-item]  # that is what is refused
    ]
    for wrong in wrongs:
        with pytest.raises(DefinitionError):
            wrong()


def test_an_upcaster_is_still_a_function() -> None:
    assert named_amount({"cents": 5, "owner": "o"}) == {"amount": 5, "owner": "o"}
    made = split({"out": 3, "back": 1, "owner": "o"})
    assert isinstance(made, Iterator)
    assert [raw.type for raw in made] == ["bank.withdrawn", "bank.deposited"]


@pytest.mark.row("CM-32")
def test_type_names_are_given_not_derived() -> None:
    types = codec().types
    assert {name: kind.__qualname__ for name, kind in types.classes.items() if "opened" not in name.name} == {
        ("bank.deposited", 3): "Deposited",
        ("bank.withdrawn", 1): "Withdrawn",
    }
    assert types.name_of(Deposited) == ("bank.deposited", 3)
    assert types.class_of(Withdrawn.type_name) is Withdrawn
    types = Codec.of(TakenOut).types  # the class has moved, and is called otherwise: the name holds
    assert types.class_of(Withdrawn.type_name) is TakenOut
    with pytest.raises(DefinitionError, match=r"bank\.withdrawn v1 stands for .*Withdrawn already.*TakenOut"):
        Codec.of(Withdrawn, TakenOut)
    assert len(UPCASTERS) == len(list(codec().upcasters))
