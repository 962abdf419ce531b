"""Personal fields in the JSON of events: where they are, and what stands in their place. Pure.

{"person": "p-1", "name": {"$sealed": {"subject": "p-1", "key": "5f0c…", "value": "…base64…"}}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from headwater.errors import CodecError
from headwater.personal import PersonalFields
from headwater.store.naming import NUL

MARK: Final = '"$sealed"'
"""Is in the JSON of every event that has sealed fields."""

_NULL: Final = b"null"
_START: Final = b'{"$sealed":'

Fields = dict[str, msgspec.Raw]
"""The fields of a JSON object, each as its own JSON."""


class Sealed(msgspec.Struct, frozen=True):
    """What stands in the place of a personal value.

    Attributes:
        subject: whose it is.
        key: which of the subject's keys it was encrypted with.
        value: the value's JSON, encrypted.
    """

    subject: str
    key: str
    value: bytes


class _Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sealed: Sealed = msgspec.field(name="$sealed")


_fields: Final = msgspec.json.Decoder(Fields)
_envelope: Final = msgspec.json.Decoder(_Envelope)
_subject: Final = msgspec.json.Decoder(str | int)
_encode: Final = msgspec.json.Encoder().encode


def split(data: bytes | str) -> Fields:
    """The fields of an event's JSON.

    Raises:
        CodecError: it is no JSON object.
    """
    try:
        return _fields.decode(data)
    except msgspec.DecodeError as error:
        raise CodecError(f"an event with personal fields must be a JSON object: {error}") from error


def sealed(data: str) -> tuple[Fields, dict[str, Sealed]]:
    """The fields of an event's JSON, and those of them that are sealed; none of either if nothing is."""
    if MARK not in data:
        return {}, {}
    try:
        fields = _fields.decode(data)
    except msgspec.DecodeError:
        return {}, {}  # no object: the mark is part of something else
    return fields, sealed_fields(fields)


def join(fields: Mapping[str, msgspec.Raw]) -> bytes:
    """The reverse of `split`."""
    return _encode(fields)


def subject_of(fields: Fields, personal: PersonalFields) -> str:
    """Whose the personal fields are.

    Raises:
        CodecError: the field is missing, empty, or neither a string nor an integer.
    """
    try:
        subject = str(_subject.decode(fields[personal.subject]))
    except (KeyError, msgspec.DecodeError) as error:
        raise CodecError(f"the subject, field {personal.subject!r}, must be a string or an integer") from error
    if not subject:
        raise CodecError(f"the subject, field {personal.subject!r}, is empty")
    if NUL in subject:
        raise CodecError(f"the subject, field {personal.subject!r}, holds a NUL character: {subject!r}")
    return subject


def values(fields: Fields, personal: PersonalFields) -> dict[str, bytes]:
    """The personal values, as JSON. None needs no secrecy, and has none."""
    found = {name: bytes(fields[name]) for name in personal.fields if name in fields}
    return {name: value for name, value in found.items() if value != _NULL}


def seal(sealed: Sealed) -> msgspec.Raw:
    """The JSON that stands in the place of a value."""
    return msgspec.Raw(_encode(_Envelope(sealed)))


def sealed_fields(fields: Fields) -> dict[str, Sealed]:
    """Those fields that are sealed."""
    found = {}
    for name, value in fields.items():
        if bytes(value).startswith(_START):
            try:
                found[name] = _envelope.decode(value).sealed
            except msgspec.DecodeError:
                continue  # something of the application's own
    return found
