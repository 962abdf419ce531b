"""Which fields of a value are personal, and whose: what has to be unreadable once that person is forgotten.

    class Registered(Event, subject="person"):
        person: str
        name: Personal[str]

The field that `subject` names tells whose the personal fields are. It stays readable for ever, and so do tags and
metadata: a subject is a pseudonym such as a customer number, never a name or an address.
"""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple, TypeAlias, TypeVar, get_args, get_origin, get_type_hints

from headwater.errors import DefinitionError

T = TypeVar("T")


class PersonalMark:
    """What tells a personal field from others in its annotation."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "PERSONAL"


PERSONAL: Final = PersonalMark()
"""The mark of all personal fields."""

Personal: TypeAlias = Annotated[T | None, PERSONAL]
"""`Personal[str]` is a string that can be erased: None afterwards, so that whoever reads it has to think of that."""

SUBJECT: Final = "__subject__"
"""The attribute in which a class keeps the name of the field that tells whose its personal fields are."""

TAGGED: Final = "__tagged__"
"""The attribute in which a class keeps the names of the fields that make tags, which are never encrypted."""


class PersonalFields(NamedTuple):
    """What is personal in the JSON of a class.

    Attributes:
        subject: the field that tells whose it is.
        fields: those that are encrypted.
    """

    subject: str
    fields: tuple[str, ...]


def personal_fields(registered: type) -> PersonalFields | None:
    """What is personal in the values of a class; None if nothing is.

    Raises:
        DefinitionError: it has personal fields and no subject, or the reverse; a personal field makes a tag or is the
            subject itself; only a part of a field is personal; or the annotations can't be resolved.
    """
    subject: str | None = getattr(registered, SUBJECT, None)
    marked = _marked(registered, resolve=subject is not None)
    name = registered.__qualname__
    if subject is None and not marked:
        return None
    if subject is None:
        raise DefinitionError(f"{name}.{marked[0]} is personal, but whose? Name a field: class {name}(subject=...)")
    if not marked:
        raise DefinitionError(f"{name} has a subject, and no field that is Personal[...]")
    if subject in marked:
        raise DefinitionError(f"{name}.{subject} tells whose the personal fields are: it can't be personal itself")
    tagged = set(marked).intersection(getattr(registered, TAGGED, ()))
    if tagged:
        raise DefinitionError(f"{name}.{min(tagged)} is personal and makes a tag: tags can never be erased")
    encoded = _encoded_names(registered)
    if subject not in encoded:
        raise DefinitionError(f"{name} has no field {subject!r} to tell whose its personal fields are")
    return PersonalFields(encoded[subject], tuple(encoded[field] for field in marked))


def _marked(registered: type, *, resolve: bool) -> tuple[str, ...]:
    """The fields that are annotated as personal."""
    try:
        hints = get_type_hints(registered, include_extras=True)
    except Exception as error:
        if resolve or any("Personal" in str(hint) for hint in getattr(registered, "__annotations__", {}).values()):
            raise DefinitionError(f"{registered.__qualname__}: its annotations can't be resolved: {error}") from error
        return ()  # whoever decodes it will say so
    for field, hint in hints.items():
        if not _is_personal(hint) and _mentions(hint):
            raise DefinitionError(f"{registered.__qualname__}.{field}: only a whole field can be Personal[...]")
    return tuple(field for field, hint in hints.items() if _is_personal(hint))


def _is_personal(hint: object) -> bool:
    return get_origin(hint) is Annotated and PERSONAL in get_args(hint)[1:]


def _mentions(hint: object) -> bool:
    return _is_personal(hint) or any(_mentions(part) for part in get_args(hint))


def _encoded_names(registered: type) -> dict[str, str]:
    """What the fields are called in JSON."""
    fields: tuple[str, ...] = getattr(registered, "__struct_fields__", ())
    if fields:
        encoded: tuple[str, ...] = getattr(registered, "__struct_encode_fields__", fields)
        return dict(zip(fields, encoded, strict=True))
    return {field: field for field in getattr(registered, "__dataclass_fields__", ())}
