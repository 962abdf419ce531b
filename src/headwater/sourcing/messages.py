"""What applications say: events that happened, and commands that ask for some."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, dataclass_transform

import msgspec

from headwater.codec import Tagger, TypeName
from headwater.errors import DefinitionError
from headwater.personal import SUBJECT, TAGGED
from headwater.sourcing.tagging import make_tagger


@dataclass_transform(frozen_default=True)
class MessageType(msgspec.StructMeta):
    """The metaclass of messages: frozen Structs with a type name and a schema version.

    Args of a class statement:
        name: the type name in the log; the class's own name if not given.
        version: the schema version; 1 if not given.
        omit_defaults: leave fields that have their default value out of the JSON.
        kw_only: fields are given by keyword only.
        forbid_unknown_fields: refuse JSON with fields that the class doesn't have, instead of skipping them.
        tags: the fields that an event can be found by. `tags=("course",)` gives an event whose field `course` is "c-1"
            the tag `course:c-1`; `tags={"source": "account", "target": "account"}` names the tags otherwise than the
            fields. None gives no tag; a list, tuple or set gives one for each member.
        subject: the field that tells whose the fields of type `Personal[...]` are.
    """

    def __new__(  # noqa: D102 - told above
        mcs,
        class_name: str,
        bases: tuple[type, ...],
        namespace: dict[str, object],
        *,
        name: str | None = None,
        version: int = 1,
        omit_defaults: bool = False,
        kw_only: bool = False,
        forbid_unknown_fields: bool = False,
        tags: Iterable[str] | Mapping[str, str] = (),
        subject: str | None = None,
    ) -> MessageType:
        if version < 1:
            raise DefinitionError(f"{class_name}: a schema version starts at 1, not {version}")
        message = super().__new__(
            mcs,
            class_name,
            bases,
            namespace,
            frozen=True,
            omit_defaults=omit_defaults,
            kw_only=kw_only,
            forbid_unknown_fields=forbid_unknown_fields,
        )
        message.type_name = TypeName(name or class_name, version)
        if not isinstance(tags, str | Mapping):
            tags = tuple(tags)
        message.tagger = make_tagger(class_name, message.__struct_fields__, tags, getattr(message, "tagger", None))
        setattr(message, TAGGED, (*getattr(message, TAGGED, ()), *tags))
        if subject is not None:
            setattr(message, SUBJECT, subject)
        return message

    type_name: TypeName
    """What the class is called in the log."""

    tagger: Tagger | None
    """Tells the tags of an event of the class; None if it has none."""


class Event(msgspec.Struct, metaclass=MessageType):
    """Something that happened, and will have happened for ever.

        class Deposited(Event, name="bank.deposited"):
            amount: int

    Events are immutable, compared by value, and built from positional or keyword arguments. They are stored as
    JSON under their type name, so a class may be renamed or moved as long as `name` stays. A change that old
    JSON doesn't fit needs a higher `version`. `tags` names the fields that they can be found by, whatever their stream:

        class Enrolled(Event, tags=("course", "student")):
            course: str
            student: str

    `subject` names the field that tells whose the personal fields are. They are encrypted in the log, each person's
    with a key of their own, and None once that key is gone: see `EventStore.forget`.

        class Registered(Event, subject="person"):
            person: str
            name: Personal[str]
    """

    type_name: ClassVar[TypeName]
    tagger: ClassVar[Tagger | None]


class Command(msgspec.Struct, metaclass=MessageType):
    """Something that somebody wants. An aggregate answers with events, or rejects it.

        class Deposit(Command):
            account: str
            amount: int

            def validate(self) -> None:
                if self.amount <= 0:
                    raise InvalidCommand("the amount must be positive", field="amount")

    As with any Python class, building one doesn't check the types of its fields. Where it comes from outside, let the
    decoder do that: `msgspec.json.decode(data, type=Deposit)`. Events are checked only when they are read.

    What can be seen to be wrong without any state is refused by `validate`, before the aggregate is asked. What must
    never be built at all is refused by `__post_init__`, in which case the constructor raises.
    """

    type_name: ClassVar[TypeName]

    def validate(self) -> None:
        """Raise if the command makes no sense by itself. Run for each dispatch, behind the middleware.

        `InvalidCommand`, `Rejected` and any other `HeadwaterError` reach the caller as they are; a `ValueError` or
        `TypeError` as an `InvalidCommand`.
        """
