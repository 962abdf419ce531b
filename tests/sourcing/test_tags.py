"""Tags that events have by their classes."""

import asyncio
from uuid import UUID

import pytest

from headwater import Codec, Event, EventStore
from headwater.errors import DefinitionError


class Enrolled(Event, tags=("course", "student")):
    course: str
    student: int | None


class Graded(Enrolled, tags=("examiners",)):
    examiners: tuple[str, ...] = ()


class Moved(Event, tags={"source": "account", "target": "account", "by": "user"}):
    source: str
    target: str
    by: UUID


class Plain(Event):
    tags: list[str]


@pytest.mark.parametrize(
    ("event", "tags"),
    [
        (Enrolled("c-1", 7), ("course:c-1", "student:7")),
        (Enrolled("c-1", None), ("course:c-1",)),
        (Graded("c-1", 7, ("x", "y")), ("course:c-1", "examiners:x", "examiners:y", "student:7")),
        (Moved("a", "b", UUID(int=1)), ("account:a", "account:b", f"user:{UUID(int=1)}")),
        (Moved("a", "a", UUID(int=1)), ("account:a", f"user:{UUID(int=1)}")),
        (Plain(["x"]), ()),
    ],
)
def test_the_fields_that_a_class_names_are_tags(event: Event, tags: tuple[str, ...]) -> None:
    async def main() -> None:
        async with await EventStore.open("memory://", Codec.of(Enrolled, Graded, Moved, Plain)) as store:
            await store.append("s", [event])
            assert [e.tags async for e in store.read_all()] == [tags]
            for tag in tags:
                assert [e.event async for e in store.read_all(query=store.query(type(event), tags=[tag]))] == [event]

    asyncio.run(main())


def test_a_field_that_does_not_exist() -> None:
    with pytest.raises(DefinitionError, match="Wrong has no field 'curse'"):

        class Wrong(Event, tags=("curse",)):
            course: str

    with pytest.raises(DefinitionError, match=r"such as \('course',\)"):

        class AlsoWrong(Event, tags="course"):
            course: str
