"""Decisions about several entities at once. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Generic, Never, TypeAlias, TypeVar

from headwater.errors import DefinitionError
from headwater.sourcing.deciding import Deciding
from headwater.sourcing.messages import Command, Event
from headwater.sourcing.naming import kebab
from headwater.store.query import EventQuery, QueryItem

CommandT_contra = TypeVar("CommandT_contra", bound=Command, contravariant=True)


class DecisionModel(Deciding, Generic[CommandT_contra]):
    """What a decision needs to know that lies in the events of several entities, found by their tags.

        class Enrolment(DecisionModel[Enrol]):
            def __init__(self) -> None:
                self.taken = Counter[str]()

            @classmethod
            def scope(cls, command: Enrol) -> Iterable[str]:
                return f"course:{command.course}", f"student:{command.student}"

            @decide
            def enrol(self, command: Enrol) -> Enrolled:
                if self.taken[command.course] == 20:
                    raise Rejected("the course is full")
                return Enrolled(command.course, command.student)

            @evolve
            def enrolled(self, event: Enrolled) -> None:
                self.taken[event.course] += 1

    For each command a new one is built from the events of the types that it evolves and that have one of the tags
    of its scope, whatever streams they lie in, in the order of the log. What it decides is stored only if no further
    such event has come meanwhile; otherwise the command is decided again. So commands whose scopes overlap take effect
    as if they had been decided one after the other, in the order of the log. Others don't disturb each other.

    It is built without arguments, and dropped with the command: it should need few events. Where one stream is the
    boundary, an `Aggregate` is faster: it stays in memory.

    Args of a class statement:
        category: the stream that the events are appended to, unless `stream_of` says otherwise; the class's name in
            kebab case if not given.
    """

    category: ClassVar[str]

    def __init_subclass__(cls, *, category: str | None = None) -> None:
        """Collect the marked methods.

        Raises:
            DefinitionError: two methods for one message, an annotation that can't be used, an event without tags, which
                could never be found, or no scope.
        """
        super().__init_subclass__()
        cls.category = category or kebab(cls.__name__)
        own = cls.__mro__[: cls.__mro__.index(DecisionModel)]
        if cls.commands() and not any("scope" in vars(parent) for parent in own):
            raise DefinitionError(
                f"{cls.__qualname__} must say which entities a command is about: define scope(command)"
            )
        for event in cls.events():
            if event.tagger is None:
                raise DefinitionError(
                    f"{cls.__qualname__} can never find a {event.__qualname__}, which has no tags: say by which "
                    f"fields, class {event.__name__}(Event, tags=(…))"
                )

    @classmethod
    def scope(cls, command: CommandT_contra) -> Iterable[str | tuple[str, ...]]:
        """The tags of the entities that a command is about. Each subclass must say so.

        An event belongs to the scope if it has one of the tags; of a tuple of tags, all of them.
        """
        raise NotImplementedError(f"{cls.__qualname__} must define scope(command)")

    @classmethod
    def query(cls, command: CommandT_contra) -> EventQuery:
        """The events that the decision is made upon.

        Raises:
            ValueError: the scope is empty: that would be all events.
        """
        types = tuple(dict.fromkeys(event.type_name.name for event in cls.events()))
        tags = [(tag,) if isinstance(tag, str) else tag for tag in cls.scope(command)]
        if not tags or not all(tags) or not types:
            raise ValueError(f"{cls.__qualname__}.scope gave no tags for {command!r}: they say what it is about")
        return EventQuery(tuple(dict.fromkeys(QueryItem(types, tag) for tag in tags)))

    def stream_of(self, event: Event) -> str:
        """The name of the stream that an event is appended to; the category, unless a subclass knows better.

        It may be an aggregate's stream: one that lives in the same application reads the event before it decides a
        command that is sent after this one was answered. Events of one decision lie next to each other in the log,
        stream by stream.
        """
        return self.category


ModelClass: TypeAlias = type[DecisionModel[Never]]
"""A decision model, whatever its commands are."""
