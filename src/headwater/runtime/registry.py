"""Registry: which processes stand for which keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, Literal, TypeAlias, TypeVar

from headwater.errors import AlreadyRegistered, DefinitionError, NameUnknown, NotOwner, ProcessError
from headwater.runtime.pid import Pid
from headwater.runtime.process import Process, current
from headwater.runtime.registry_entry import Entry, Registered, Unregistered
from headwater.runtime.registry_holding import Holding
from headwater.runtime.registry_index import RegistryIndex
from headwater.runtime.registry_lock import KeyLock, KeyLocks
from headwater.runtime.registry_pattern import matches
from headwater.runtime.states import ENDED, RUNNING

Key = TypeVar("Key")
Value = TypeVar("Value")
ServerT = TypeVar("ServerT")

Keys: TypeAlias = Literal["unique", "duplicate", "duplicate by key"]
"""`unique`: a key belongs to one process. `duplicate`: to any number; entries are partitioned by process.
`duplicate by key`: likewise, but partitioned by key, which makes it quicker to look one key up in many partitions."""

KEYS: Final = ("unique", "duplicate", "duplicate by key")


class Registry(Generic[Key, Value]):
    """Processes by key, each with a value.

        accounts: Registry[str, None] = Registry("accounts")

        class Account(GenServer):
            def init(self, number: str) -> None:
                accounts.register(self.pid, number, None)

        await accounts.via(Account, "a-1").call(Account.deposit, 5)

    A process registers itself, never another. Its entries go when it ends, before anybody hears of its end: so a
    unique key never has two owners, and whoever gets a `Down` may register under the key at once. It costs the same
    to register, look up and remove an entry, however many there are.

    A registry belongs to the Python code that makes it; processes of any system may use it. It isn't a process, and
    nothing that is asked of it waits.

    Args:
        name: what it is called in messages to listeners and in errors.
        keys: whether a key may belong to several processes; see `Keys`.
        partitions: in how many dictionaries the entries lie; more make for shorter pauses when there are millions.
        listeners: names of processes that are sent `Registered` and `Unregistered`; a name nobody has is skipped.

    Attributes:
        meta: whatever is worth knowing about the registry as a whole.

    Raises:
        DefinitionError: no such `keys`, or fewer than one partition.
    """

    def __init__(
        self, name: str, *, keys: Keys = "unique", partitions: int = 1, listeners: tuple[str, ...] = ()
    ) -> None:
        if keys not in KEYS:
            raise DefinitionError(f"keys is one of {', '.join(KEYS)}, not {keys!r}")
        self.name = name
        self.meta: dict[str, object] = {}
        self._unique = keys == "unique"
        self._listeners = listeners
        self._index: RegistryIndex[Key, Value] = RegistryIndex(partitions, by_process=keys == "duplicate")
        self._holdings: dict[Process, Holding[Key, Value]] = {}
        self._locks: KeyLocks[Key] = KeyLocks()

    # --- by the process itself -------------------------------------------------------------------------------

    def register(self, pid: Pid[object], key: Key, value: Value) -> None:
        """Register the process that calls this: `registry.register(self.pid, key, value)`, also in `init`.

        Raises:
            AlreadyRegistered: the registry is unique, and a living process has the key; the error names it.
            NotOwner: the process is not the one whose method is running.
        """
        process = self._own(pid)
        if self._unique:
            for other in self._index.find(key):
                raise AlreadyRegistered(
                    f"{key!r} in registry {self.name!r} belongs to {other.pid.label} already", owner=other.pid
                )
        holding = self._holdings.get(process)
        if holding is None:
            holding = self._holdings[process] = Holding(process, self._release)
        entry = Entry(key, Pid(process), value)
        holding.add(entry)
        self._index.add(entry)
        self._tell(process, Registered(self.name, key, entry.pid, value))

    def unregister(self, pid: Pid[object], key: Key) -> None:
        """Take out the entries of the process that calls this, of one key. Harmless when there are none.

        Raises:
            NotOwner: the process is not the one whose method is running.
        """
        self.unregister_match(pid, key, ...)

    def unregister_match(self, pid: Pid[object], key: Key, pattern: object) -> None:
        """Take out the entries of the process that calls this, of one key and with values that match.

        Args:
            pid: the process.
            key: the key.
            pattern: see `registry_pattern`.

        Raises:
            NotOwner: the process is not the one whose method is running.
        """
        process = self._own(pid)
        for entry in self._of_key(key, process):
            if matches(pattern, entry.value):
                self._remove(process, entry)

    def update_value(self, pid: Pid[object], key: Key, function: Callable[[Value], Value]) -> tuple[Value, Value]:
        """Replace the value of the process that calls this. Returns the new value and the old one.

        Args:
            pid: the process.
            key: the key.
            function: makes the new value of the old one. If it raises, nothing changes.

        Raises:
            NotOwner: the process doesn't have the key, or is not the one whose method is running.
            ProcessError: the registry is not unique.
        """
        process = self._own(pid)
        self._check_unique("update_value")
        for entry in self._of_key(key, process):
            changed = Entry(key, entry.pid, function(entry.value))
            self._replace(process, entry, changed)
            return changed.value, entry.value
        raise NotOwner(f"{process.label} doesn't have {key!r} in registry {self.name!r}")

    # --- by anybody ------------------------------------------------------------------------------------------

    def lookup(self, key: Key) -> list[Entry[Key, Value]]:
        """The entries of a key; of a unique registry one at most."""
        return self._index.find(key)

    def match(self, key: Key, pattern: object) -> list[Entry[Key, Value]]:
        """The entries of a key whose values match. See `registry_pattern`."""
        return [entry for entry in self._index.find(key) if matches(pattern, entry.value)]

    def select(
        self,
        where: Callable[[Entry[Key, Value]], bool] | None = None,
        *,
        key: object = ...,
        value: object = ...,
    ) -> list[Entry[Key, Value]]:
        """All entries that match, in no particular order. It looks at each.

        Args:
            where: asked about each entry that the patterns let pass.
            key: a pattern for the keys; see `registry_pattern`.
            value: a pattern for the values.
        """
        return [
            entry
            for entry in self._index
            if matches(key, entry.key) and matches(value, entry.value) and (where is None or where(entry))
        ]

    def keys(self, pid: Pid[object]) -> list[Key]:
        """The keys of a process; one as often as it was registered."""
        holding = self._holdings.get(pid.process)
        return [] if holding is None else [entry.key for entry in holding]

    def values(self, key: Key, pid: Pid[object]) -> list[Value]:
        """The values of a process under a key."""
        return [entry.value for entry in self._of_key(key, pid.process)]

    def count(self) -> int:
        """How many entries there are."""
        return len(self._index)

    def count_match(self, key: Key, pattern: object) -> int:
        """How many entries of a key have values that match."""
        return len(self.match(key, pattern))

    def count_select(
        self,
        where: Callable[[Entry[Key, Value]], bool] | None = None,
        *,
        key: object = ...,
        value: object = ...,
    ) -> int:
        """How many entries `select` would give."""
        return len(self.select(where, key=key, value=value))

    def dispatch(self, key: Key, function: Callable[[list[Entry[Key, Value]]], object]) -> None:
        """Give all entries of a key to a function, once for each partition that has any. It runs in the caller.

        What it raises goes to the caller; the partitions that follow are left out then.
        """
        for entries in self._index.buckets(key):
            function(entries)

    def via(self, server: type[ServerT], key: Key) -> Pid[ServerT]:
        """The process that has a key now, to be called, cast or sent to. Ask again for each use: it may change.

        Raises:
            NameUnknown: no living process has it.
            ProcessError: the process that has it is of another class, or the registry is not unique.
        """
        self._check_unique("via")
        for entry in self._index.find(key):
            process = entry.pid.process
            if isinstance(process.server, server):
                return Pid(process)
            raise ProcessError(f"{key!r} in {self.name!r} is a {process.label}, not a {server.__qualname__}")
        raise NameUnknown(f"no process has {key!r} in registry {self.name!r}")

    def lock(self, key: Key) -> KeyLock[Key]:
        """A critical section for a key, in which one process is at a time: `async with registry.lock(key)`.

        It has nothing to do with who is registered under the key. Whoever waits first gets it first. It is given back
        when the block ends, or the process in whose method it runs. Who holds it must not ask for it again.
        """
        return KeyLock(self._locks, key)

    # --- within ----------------------------------------------------------------------------------------------

    def _own(self, pid: Pid[object]) -> Process:
        process = pid.process
        if process.state == RUNNING or (process.state != ENDED and current.get() is process):
            return process
        what = "has ended" if process.state == ENDED else "is not the process whose code is running"
        raise NotOwner(f"registry {self.name!r}: {process.label} {what}; a process registers only itself")

    def _check_unique(self, what: str) -> None:
        if not self._unique:
            raise ProcessError(f"{what} is for registries with unique keys; {self.name!r} has duplicate ones")

    def _of_key(self, key: Key, process: Process) -> list[Entry[Key, Value]]:
        holding = self._holdings.get(process)
        return [] if holding is None else holding.of_key(key)

    def _replace(self, process: Process, old: Entry[Key, Value], new: Entry[Key, Value]) -> None:
        if self._of_key(old.key, process) != [old]:
            raise NotOwner(f"{process.label} gave up {old.key!r} in registry {self.name!r} meanwhile")
        holding = self._holdings[process]
        for change in (holding, self._index):
            change.remove(old)
            change.add(new)

    def _remove(self, process: Process, entry: Entry[Key, Value]) -> None:
        holding = self._holdings[process]
        holding.remove(entry)
        self._index.remove(entry)
        if not holding:
            del self._holdings[process]
            holding.dissolve()
        self._tell(process, Unregistered(self.name, entry.key, entry.pid))

    def _release(self, holding: Holding[Key, Value]) -> None:
        del self._holdings[holding.process]
        for entry in holding:
            self._index.remove(entry)
        for entry in holding:
            self._tell(holding.process, Unregistered(self.name, entry.key, entry.pid))

    def _tell(self, process: Process, message: object) -> None:
        for name in self._listeners:
            listener = process.node.names.find(name)
            if isinstance(listener, Process):
                Pid(listener).send(message)
