"""From the fields of an event to its tags. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from headwater.codec import Tagger
from headwater.errors import DefinitionError


def make_tagger(
    class_name: str, fields: Sequence[str], tags: Iterable[str] | Mapping[str, str], inherited: Tagger | None
) -> Tagger | None:
    """What tells the tags of a class's events; None if they have none.

    Args:
        class_name: for messages.
        fields: the class's fields.
        tags: those of them that make tags; a mapping tells for each what stands before the colon.
        inherited: tells the tags that its base class gives.

    Raises:
        DefinitionError: there is no such field.
    """
    if isinstance(tags, str):
        raise DefinitionError(f"{class_name}: tags are a collection of fields, such as ({tags!r},)")
    prefixes = dict(tags) if isinstance(tags, Mapping) else {field: field for field in tags}
    for field in prefixes:
        if field not in fields:
            raise DefinitionError(f"{class_name} has no field {field!r} to take tags from")
    if not prefixes:
        return inherited

    fields_and_prefixes = tuple(prefixes.items())

    def tagger(event: object) -> list[str]:
        found = [] if inherited is None else [*inherited(event)]
        for field, prefix in fields_and_prefixes:
            value = getattr(event, field)
            if isinstance(value, str):  # the usual case; it is run for every event
                found.append(f"{prefix}:{value}")
            else:
                found += [f"{prefix}:{one}" for one in _values(value)]
        return found

    return tagger


def _values(value: object) -> Iterable[object]:
    if value is None:
        return ()
    return value if isinstance(value, list | tuple | set | frozenset) else (value,)
