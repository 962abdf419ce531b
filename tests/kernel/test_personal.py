"""How a class says what is personal, and whose; and what is refused."""

from dataclasses import dataclass

import pytest

from headwater import Codec, Event, Personal
from headwater.codec import TypeName, TypeRegistry
from headwater.errors import DefinitionError
from headwater.personal import PersonalFields


class Registered(Event, subject="person", tags=("person",)):
    person: str
    name: Personal[str]
    birthday: Personal[int] = None
    city: str = ""


class Moved(Registered):
    street: Personal[str] = None


class Plain(Event):
    name: str | None


def test_a_class_says_what_is_personal_and_whose() -> None:
    types = Codec.of(Registered, Moved, Plain).types
    assert types.personal_of(("Registered", 1)) == PersonalFields("person", ("name", "birthday"))
    assert types.personal_of(("Moved", 1)) == PersonalFields("person", ("name", "birthday", "street"))
    assert types.personal_of(("Plain", 1)) is None
    assert types.personal
    assert not Codec.of(Plain).types.personal


def test_a_dataclass_can_say_it_too() -> None:
    @dataclass(frozen=True)
    class Booked:
        person: str
        name: Personal[str]

    Booked.__subject__ = "person"  # type: ignore[attr-defined]
    types = TypeRegistry([(Booked, TypeName("Booked", 1))])
    assert types.personal_of(("Booked", 1)) == PersonalFields("person", ("name",))


class NoSubject(Event):
    name: Personal[str]


class NothingPersonal(Event, subject="person"):
    person: str


class NoField(Event, subject="persom"):
    person: str
    name: Personal[str]


class Itself(Event, subject="person"):
    person: Personal[str]


class Tagged(Event, subject="person", tags={"name": "who"}):
    person: str
    name: Personal[str]


class Nested(Event, subject="person"):
    person: str
    names: list[Personal[str]]


class Optional(Event, subject="person"):
    person: str
    name: Personal[str] | int


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (NoSubject, "NoSubject.name is personal, but whose"),
        (NothingPersonal, "has a subject, and no field"),
        (NoField, "has no field 'persom'"),
        (Itself, "can't be personal itself"),
        (Tagged, "Tagged.name is personal and makes a tag"),
        (Nested, "Nested.names: only a whole field"),
        (Optional, "Optional.name: only a whole field"),
    ],
)
def test_what_can_not_be_meant_is_refused(wrong: type[Event], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        Codec.of(wrong)
