"""Which events somebody means, by their types and tags; and the condition that an append can be put under. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from headwater.errors import InvalidTag, UnknownType
from headwater.store.naming import NUL


class QueryItem(msgspec.Struct, frozen=True):
    """One alternative of a query: an event matches it by its type *and* by its tags.

    Attributes:
        types: type names, in any schema version; the event has one of them. Empty: the type doesn't matter.
        tags: the event has all of them. Empty: the tags don't matter.
    """

    types: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no event can be called.

        Raises:
            InvalidTag, UnknownType: a tag or a type's name holds a NUL character.
        """
        for name in self.types:
            if NUL in name:
                raise UnknownType(f"a type's name holds a NUL character: {name!r}", name=name)
        for tag in self.tags:
            if NUL in tag:
                raise InvalidTag(f"a tag holds a NUL character: {tag!r}")

    def matches(self, type: str, tags: Iterable[str]) -> bool:  # noqa: A002 - the field's term
        """Whether an event of this type and with these tags is meant."""
        return (not self.types or type in self.types) and set(self.tags).issubset(tags)


class EventQuery(msgspec.Struct, frozen=True):
    """Which events are meant: those that match at least one item. Without items: every event.

        EventQuery.of("course.enrolled", tags=["course:c-1"]) | EventQuery.of(tags=["student:s-7"])

    `EventStore.query` makes one from the classes of events.

    Attributes:
        items: the alternatives.
    """

    items: tuple[QueryItem, ...] = ()

    @classmethod
    def of(cls, *types: str, tags: Iterable[str] = ()) -> EventQuery:
        """Events of one of these types with all of these tags; either may be left out, not both for less than all.

        Raises:
            TypeError: `tags` is one string, not a collection of them.
            InvalidTag, UnknownType: a tag or a type's name holds a NUL character.
        """
        if isinstance(tags, str):
            raise TypeError(f"tags are a collection of strings, such as [{tags!r}], not one string")
        item = QueryItem(tuple(dict.fromkeys(types)), tuple(dict.fromkeys(tags)))
        return cls((item,) if item != _ANYTHING else ())

    def __or__(self, other: EventQuery) -> EventQuery:
        """What one of the two means."""
        if self.everything or other.everything:
            return EventQuery()
        return EventQuery(tuple(dict.fromkeys(self.items + other.items)))

    @property
    def types(self) -> frozenset[str]:
        """All type names that it mentions."""
        return frozenset(name for item in self.items for name in item.types)

    def widened(self, widen: Callable[[Iterable[str]], Iterable[str]]) -> EventQuery:
        """The same query with more types: where some are named, those that `widen` makes of them."""
        return EventQuery(
            tuple(
                msgspec.structs.replace(item, types=tuple(sorted(widen(item.types)))) if item.types else item
                for item in self.items
            )
        )

    @property
    def everything(self) -> bool:
        """Whether it means every event."""
        return not self.items or _ANYTHING in self.items

    def matches(self, type: str, tags: Iterable[str]) -> bool:  # noqa: A002 - the field's term
        """Whether an event of this type and with these tags is meant."""
        return not self.items or any(item.matches(type, tags) for item in self.items)


class AppendCondition(msgspec.Struct, frozen=True):
    """An append is refused if an event that the query means lies after a position.

    So a decision that was made upon the events of a query holds only as long as no further such event has come:
    the query is the consistency boundary, whatever streams its events lie in.

    Attributes:
        query: which events the decision was made upon.
        after: the position that was read up to: `EventReading.head`. 0: there must be no such event at all.
    """

    query: EventQuery
    after: int = 0


_ANYTHING: Final = QueryItem()
