"""Personal fields encrypted on their way into the log, and opened on their way out, each subject's with its own key."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from headwater.clock import Clock, Timer
from headwater.codec import TypeRegistry
from headwater.errors import CodecError, MasterKeyMissing, SubjectForgotten, WrongMasterKey
from headwater.personal import PersonalFields
from headwater.store import envelope
from headwater.store.adapter import AppendPart, StoreAdapter
from headwater.store.envelope import Sealed
from headwater.store.key_adapter import SubjectKey
from headwater.store.master_key import MasterKeys
from headwater.store.model import NewEvent, StoredEvent

if TYPE_CHECKING:
    from headwater.store.cipher import SubjectCipher

KEY_SECONDS: Final = 10.0
"""How long a process may go on using a subject's key after another process has destroyed it."""

_REMEMBERED_KEYS: Final = 10_000
_BATCH: Final = 1_000

Ciphers = Mapping[str, "SubjectCipher | None"]
"""By subject; None for one that was forgotten, or has no key here."""


class Vault:
    """Keeps personal fields unreadable for everybody who hasn't got the key of the person.

    Keys that were used are remembered: at most 10,000, and none for longer than `KEY_SECONDS`. The process that forgets
    a subject drops all that it remembers at once; others need so long. Python can't overwrite what was in memory.

    Args:
        adapter: where the keys are kept.
        types: tell what is personal.
        clock: its timer says when to drop what is remembered.
    """

    def __init__(self, adapter: StoreAdapter, types: TypeRegistry, clock: Clock) -> None:
        self._adapter: Final = adapter
        self._types: Final = types
        self._clock: Final = clock
        self._master: MasterKeys | None = None
        self._remembered: dict[str, SubjectCipher] = {}
        self._dropping: Timer | None = None
        self._generation = 0

    def unlock(self, master: MasterKeys) -> None:
        """From now on, seal and open."""
        self._master = master
        self.drop()

    @property
    def unlocked(self) -> bool:
        """Whether there is a master key."""
        return self._master is not None

    @property
    def needed(self) -> bool:
        """Whether any type has personal fields, so that there may be something to seal."""
        return self._types.personal

    @property
    def master(self) -> MasterKeys:
        """The master keys.

        Raises:
            MasterKeyMissing: there is none.
        """
        if self._master is None:
            raise MasterKeyMissing(
                "personal fields are encrypted, which needs a master key: give one to EventStore.open, or set "
                "HEADWATER_MASTER_KEY; `headwater.generate_master_key()` makes one"
            )
        return self._master

    def drop(self) -> None:
        """Remember no key any more; also none of those that are being looked up just now."""
        self._generation += 1
        self._remembered.clear()
        if self._dropping is not None:
            self._dropping.cancel()
            self._dropping = None

    # --- into the log ------------------------------------------------------------------------------------------

    def subjects(self, parts: Iterable[AppendPart]) -> set[str]:
        """Whose keys are needed to seal the events of an append; none if nothing in it is personal.

        Raises:
            MasterKeyMissing: somebody's are, and there is no master key.
            CodecError: an event doesn't say whose its personal fields are.
        """
        if not self._types.personal:
            return set()
        found = set()
        for part in parts:
            for event in part.events:
                personal = self._types.personal_of((event.type, event.schema))
                if personal is not None:
                    found.add(envelope.subject_of(envelope.split(event.data), personal))
        if found:
            _ = self.master
        return found

    def remembered(self, subjects: Collection[str]) -> Ciphers | None:
        """The ciphers of all of these subjects, if all are remembered."""
        found = {subject: self._remembered[subject] for subject in subjects if subject in self._remembered}
        return found if len(found) == len(subjects) else None

    def seal(self, parts: Sequence[AppendPart], ciphers: Ciphers) -> list[AppendPart]:
        """The same events with their personal fields encrypted.

        Raises:
            SubjectForgotten: one of them is about somebody who was forgotten.
            CodecError: an event can't be sealed.
        """
        return [
            AppendPart(part.stream, part.expected, [self._sealed(event, ciphers) for event in part.events])
            for part in parts
        ]

    def _sealed(self, event: NewEvent, ciphers: Ciphers) -> NewEvent:
        personal = self._types.personal_of((event.type, event.schema))
        return event if personal is None else msgspec.structs.replace(event, data=_seal(event, personal, ciphers))

    # --- out of the log ----------------------------------------------------------------------------------------

    async def open(self, events: list[StoredEvent]) -> list[StoredEvent]:
        """The same events with their personal fields in the clear, or null where the key is gone.

        Without a master key, nothing is opened.

        Raises:
            WrongMasterKey: a key was wrapped with another master key.
            StoreClosed, StorageFailed: the keys could not be read.
        """
        if self._master is None:
            return events
        found = {index: envelope.sealed(event.data) for index, event in enumerate(events)}
        sealed = {index: one for index, one in found.items() if one[1]}
        if not sealed:
            return events
        ciphers = await self.ciphers({one.subject for _, values in sealed.values() for one in values.values()})
        opened = list(events)
        for index, (fields, values) in sealed.items():
            opened[index] = _open(events[index], fields, values, ciphers)
        return opened

    # --- keys --------------------------------------------------------------------------------------------------

    async def ciphers(self, subjects: Collection[str], *, create: bool = False) -> Ciphers:
        """The ciphers of subjects.

        Args:
            subjects: whose.
            create: make a key for whoever has none and was not forgotten.

        Raises:
            WrongMasterKey, StoreClosed, StoreReadOnly, StorageFailed: see above.
        """
        ciphers: dict[str, SubjectCipher | None] = dict.fromkeys(subjects)
        ciphers.update((subject, self._remembered[subject]) for subject in subjects if subject in self._remembered)
        missing = [subject for subject, cipher in ciphers.items() if cipher is None]
        for start in range(0, len(missing), _BATCH):
            ciphers.update(await self._look_up(missing[start : start + _BATCH], create=create))
        return ciphers

    async def _look_up(self, subjects: Sequence[str], *, create: bool) -> dict[str, SubjectCipher]:
        generation = self._generation
        kept = await self._adapter.keys.find(subjects)
        unknown = set(subjects).difference(key.subject for key in kept)
        if create and unknown:
            kept += await self._adapter.keys.create([self._new(subject) for subject in sorted(unknown)])
        found = {key.subject: self._cipher(key) for key in kept if key.wrapped is not None}
        if generation == self._generation:  # nobody was forgotten meanwhile
            self._remember(found)
        return found

    def _remember(self, ciphers: Mapping[str, SubjectCipher]) -> None:
        if len(self._remembered) + len(ciphers) > _REMEMBERED_KEYS:
            self._remembered.clear()
        self._remembered.update(ciphers)
        if self._dropping is None and ciphers:
            self._dropping = self._clock.call_later(KEY_SECONDS, self.drop)

    def _new(self, subject: str) -> SubjectKey:
        from headwater.store import cipher

        return SubjectKey(subject, cipher.wrap(self.master.key, subject, cipher.new_key()), self.master.current)

    def _cipher(self, key: SubjectKey) -> SubjectCipher:
        from headwater.store.cipher import SubjectCipher

        return SubjectCipher(unwrapped(key, self.master))


def unwrapped(key: SubjectKey, master: MasterKeys) -> bytes:
    """A subject's key.

    Raises:
        WrongMasterKey: it was wrapped with another master key, or altered.
        MissingExtra: the library for it isn't installed.
    """
    from headwater.store import cipher

    master_key = master.get(key.master)
    if master_key is None or key.wrapped is None:
        raise WrongMasterKey(
            f"the key of subject {key.subject!r} needs the master key with fingerprint {key.master}, not {master}"
        )
    try:
        return cipher.unwrap(master_key, key.subject, key.wrapped)
    except cipher.InvalidTag as error:
        raise WrongMasterKey(f"the key of subject {key.subject!r} was altered: it can't be unwrapped") from error


def rewrapper(master: MasterKeys) -> Callable[[SubjectKey], SubjectKey]:
    """What wraps a key anew, with the master key in use."""
    from headwater.store import cipher

    def rewrap(key: SubjectKey) -> SubjectKey:
        return SubjectKey(key.subject, cipher.wrap(master.key, key.subject, unwrapped(key, master)), master.current)

    return rewrap


def _seal(event: NewEvent, personal: PersonalFields, ciphers: Ciphers) -> bytes:
    fields = envelope.split(event.data)
    if envelope.sealed_fields(fields):
        raise CodecError(f'a field of a {event.type} has the form {{"$sealed": …}}, which is kept for personal ones')
    subject = envelope.subject_of(fields, personal)
    cipher = ciphers[subject]
    if cipher is None:
        raise SubjectForgotten(subject)
    for name, value in envelope.values(fields, personal).items():
        fields[name] = envelope.seal(Sealed(subject, cipher.id, cipher.encrypt(event.id, name, value)))
    return envelope.join(fields)


def _open(event: StoredEvent, fields: envelope.Fields, sealed: Mapping[str, Sealed], ciphers: Ciphers) -> StoredEvent:
    erased = []
    for name, one in sealed.items():
        cipher = ciphers[one.subject]
        if cipher is None or cipher.id != one.key:
            erased.append(name)
            fields[name] = msgspec.Raw(b"null")
        else:
            value = _decrypted(cipher, event, name, one)
            if value is not None:
                fields[name] = msgspec.Raw(value)
    return msgspec.structs.replace(event, data=envelope.join(fields).decode(), erased=tuple(erased))


def _decrypted(cipher: SubjectCipher, event: StoredEvent, field: str, sealed: Sealed) -> bytes | None:
    """The value; None if it was altered: then it is left as it is, and whoever decodes the event will say so."""
    from headwater.store.cipher import InvalidTag

    try:
        return cipher.decrypt(event.id_bytes, field, sealed.value)
    except (InvalidTag, ValueError):
        return None
