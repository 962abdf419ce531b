"""The lock file: what events looked like when it was last agreed upon, and what is to be made of a change."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import msgspec

from headwater.codec import OWN_TYPES, Codec, TypeName
from headwater.errors import InvalidLock
from headwater.schema.shape import Shape, shape_of
from headwater.schema.widening import misfits

LOCK_FILE: Final = "headwater.lock.json"
"""What the lock file is called, unless said otherwise."""

_FORMAT: Final = 1


class SchemaChange(msgspec.Struct, frozen=True):
    """A difference between a lock and the code.

    Attributes:
        type: the type name.
        schema: its schema version.
        field: the field that it is about, or None.
        compatible: whether stored events stay readable, and mean what they did.
        message: what has changed, and what to do about it.
    """

    type: str
    schema: int
    field: str | None
    compatible: bool
    message: str


class SchemaLock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The schemas of an application's events, to be committed beside its code.

    Attributes:
        format: 1.
        events: by type name and version, such as `bank.deposited v2`: what the JSON of its class looks like.
        upcasters: by type name and version: what the upcaster gives.
    """

    format: Literal[1] = 1
    events: dict[str, Shape] = {}
    upcasters: dict[str, list[str]] = {}

    @classmethod
    def of(cls, codec: Codec) -> SchemaLock:
        """The schemas as the application's code has them; those of Headwater's own events are Headwater's business.

        Raises:
            DefinitionError: a class has a field that JSON can't hold.
        """
        classes = codec.types.classes.items()
        events = {str(name): shape_of(kind) for name, kind in classes if not name.name.startswith(OWN_TYPES)}
        upcasters = {str(one.source): [str(target) for target in one.targets] for one in codec.upcasters}
        return cls(_FORMAT, events, upcasters)

    @classmethod
    def read(cls, path: Path) -> SchemaLock | None:
        """The lock that a file holds; None if there is no such file.

        Raises:
            InvalidLock: it is something else, or can't be read.
        """
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except FileNotFoundError:
            return None
        except (msgspec.DecodeError, OSError) as error:
            raise InvalidLock(f"{path} is no lock file of Headwater's: {error}") from error

    def write(self, path: Path) -> None:
        """Write it, sorted and indented, so that a change is a small difference.

        Raises:
            InvalidLock: the file can't be written.
        """
        text = msgspec.json.format(msgspec.json.encode(self, order="deterministic"), indent=2)
        try:
            path.write_bytes(text + b"\n")
        except OSError as error:
            raise InvalidLock(f"{path} can't be written: {error}") from error

    def changes(self, code: SchemaLock) -> list[SchemaChange]:
        """What the code does otherwise than this lock says, by type."""
        known = {name for name in (*self.events, *self.upcasters) if not name.startswith(OWN_TYPES)}
        changed = [change for name in sorted(known) for change in self._changed(name, code)]
        fresh = sorted({*code.events, *code.upcasters} - known)
        return changed + [
            _change(name, "it is new" if name in code.events else "its upcaster is new") for name in fresh
        ]

    def _changed(self, name: str, code: SchemaLock) -> list[SchemaChange]:
        if name in code.upcasters:
            if self.upcasters.get(name) == code.upcasters[name]:
                return []
            return [_change(name, f"it is upcast now, to {', '.join(code.upcasters[name]) or 'nothing'}")]
        if name not in code.events:
            return [
                _change(
                    name,
                    "events of it may be stored, but it has neither a class nor an upcaster any more: bring the class "
                    f"back, or add @upcast({_parsed(name).name!r}, schema={_parsed(name).version}, to=…)",
                    compatible=False,
                )
            ]
        if name not in self.events:
            return [_change(name, "it has a class again, instead of an upcaster")]
        return _reshaped(name, self.events[name], code.events[name])


def _reshaped(name: str, old: Shape, new: Shape) -> list[SchemaChange]:
    parsed = _parsed(name)
    remedy = f"raise its version to {parsed.version + 1} and add @upcast({parsed.name!r}, schema={parsed.version})"
    found = misfits(old, new)
    if found:
        return [
            _change(name, f"{misfit.reason}; {remedy}", field=misfit.field, compatible=False)
            for misfit in sorted(found)
        ]
    return [] if old == new else [_change(name, "its fields have changed, and old events still fit")]


def _change(name: str, message: str, *, field: str | None = None, compatible: bool = True) -> SchemaChange:
    parsed = _parsed(name)
    return SchemaChange(parsed.name, parsed.version, field, compatible, message)


def _parsed(text: str) -> TypeName:
    name, _, version = text.rpartition(" v")
    if not name or not version.isdecimal():
        raise InvalidLock(f"a lock names types such as 'bank.deposited v2', not {text!r}")
    return TypeName(name, int(version))
