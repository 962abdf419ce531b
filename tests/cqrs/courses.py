"""Courses with a number of places, and students who may take three of them: no single stream can decide that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from headwater import Command, DecisionModel, Event, Rejected, decide, evolve

MOST = 3


class Opened(Event, name="course.opened", tags=("course",)):
    course: str
    places: int


class Enrolled(Event, name="course.enrolled", tags=("course", "student")):
    course: str
    student: str


class Left(Event, name="course.left", tags=("course", "student")):
    course: str
    student: str


class Noted(Event, name="course.noted"):
    """Not looked for by anybody."""

    note: str


class Open(Command):
    course: str
    places: int


class Enrol(Command):
    course: str
    student: str


class Swap(Command):
    """Leave one course and enrol in another, or neither."""

    student: str
    source: str
    target: str


class Break(Command):
    course: str


class Enrolment(DecisionModel[Open | Enrol | Swap | Break]):
    def __init__(self) -> None:
        self.places: dict[str, int] = {}
        self.students: defaultdict[str, set[str]] = defaultdict(set)

    @classmethod
    def scope(cls, command: Open | Enrol | Swap | Break) -> Iterable[str]:
        match command:
            case Enrol():
                return f"course:{command.course}", f"student:{command.student}"
            case Swap():
                return f"course:{command.source}", f"course:{command.target}", f"student:{command.student}"
        return [f"course:{command.course}"] if command.course else []

    @decide
    def open(self, command: Open) -> list[Event] | None:
        if command.course in self.places:
            return None
        return [Noted("opening"), Opened(command.course, command.places)]

    @decide
    def enrol(self, command: Enrol) -> Iterator[Event]:
        self._check_places(command.course)
        if len([1 for students in self.students.values() if command.student in students]) == MOST:
            raise Rejected("no more courses", reason="too_many")
        if command.student in self.students[command.course]:
            raise Rejected("enrolled already", reason="twice")
        yield Enrolled(command.course, command.student)

    @decide
    def swap(self, command: Swap) -> Iterator[Event]:
        if command.student not in self.students[command.source]:
            raise Rejected("not enrolled", reason="not_enrolled")
        yield Left(command.source, command.student)
        self._check_places(command.target)
        if command.student in self.students[command.target]:
            raise Rejected("enrolled already", reason="twice")
        yield Enrolled(command.target, command.student)

    @decide
    def break_down(self, command: Break) -> Iterator[Event]:
        yield Enrolled(command.course, "x")
        raise ZeroDivisionError("a bug")

    @evolve
    def opened(self, event: Opened) -> None:
        self.places[event.course] = event.places

    @evolve
    def enrolled(self, event: Enrolled) -> None:
        self.students[event.course].add(event.student)

    @evolve
    def left(self, event: Left) -> None:
        self.students[event.course].discard(event.student)

    def stream_of(self, event: Event) -> str:
        return "notes" if isinstance(event, Noted) else "enrolment"

    def _check_places(self, course: str) -> None:
        if len(self.students[course]) >= self.places.get(course, 0):
            raise Rejected("the course is full", reason="full")
