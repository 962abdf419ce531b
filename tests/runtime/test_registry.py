"""Registries: who has which key, what happens to entries, and that a unique key never has two owners."""

import asyncio
import random
from collections.abc import Callable, Coroutine

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import Down, Exit, GenServer, Pid, System
from headwater.errors import (
    AlreadyRegistered,
    DefinitionError,
    NameTaken,
    NameUnknown,
    NotOwner,
    ProcessError,
    StartFailed,
)
from headwater.runtime.registry import Keys, Registry
from headwater.runtime.registry_entry import Entry, Registered, Unregistered
from headwater.runtime.registry_pattern import matches
from headwater.runtime.task import start_task
from headwater.runtime.task_process import this_task

Scenario = Callable[[System], Coroutine[object, object, None]]
Book = Registry[str, object]


def run(scenario: Scenario) -> None:
    async def main() -> None:
        async with System("test") as system:
            await scenario(system)

    asyncio.run(main())


async def settle(turns: int = 20) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


class Member(GenServer):
    """A process that registers itself."""

    def init(self, book: Book, key: str | None = None, value: object = None) -> None:
        self.book = book
        self.seen: list[object] = []
        self.gate = asyncio.Event()
        if key is not None:
            book.register(self.pid, key, value)

    def join(self, key: str, value: object = None) -> Pid[object] | None:
        """The owner, if somebody else has the key."""
        try:
            self.book.register(self.pid, key, value)
        except AlreadyRegistered as error:
            return error.owner if isinstance(error.owner, Pid) else None
        return None

    def quit(self, key: str) -> None:
        self.book.unregister(self.pid, key)

    def quit_match(self, key: str, pattern: object) -> None:
        self.book.unregister_match(self.pid, key, pattern)

    def add(self, key: str, by: int) -> object:
        try:
            return self.book.update_value(self.pid, key, lambda value: value + by)  # type: ignore[operator]
        except ProcessError as error:
            return type(error)

    def try_for_another(self, other: Pid[object], key: str) -> str:
        try:
            self.book.register(other, key, None)
        except NotOwner as error:
            return str(error)
        return "registered"

    async def hold(self, key: str, log: list[str], label: str) -> None:
        async with self.book.lock(key):
            log.append(f"{label} in")
            await self.gate.wait()
            log.append(f"{label} out")

    def open(self) -> None:
        self.gate.set()

    def watch(self, other: Pid[object]) -> None:
        self.monitor(other)

    def history(self) -> list[object]:
        return list(self.seen)

    def ping(self, text: str) -> str:
        return f"{text} from {self.pid.label}"

    def handle_info(self, message: object) -> None:
        if isinstance(message, Down):
            self.seen.append(("down", self.book.count()))
        self.seen.append(message)


def owners(book: Book, key: str) -> list[Pid[object]]:
    return [entry.pid for entry in book.lookup(key)]


# --- keys, registration --------------------------------------------------------------------------------------


@pytest.mark.row("RG-01", "RG-02")
def test_a_unique_key_belongs_to_one_process_and_the_refusal_names_it() -> None:
    async def scenario(system: System) -> None:
        book: Book = Registry("book")
        first, second = await system.start(Member, book, "a", 1), await system.start(Member, book)
        [entry] = book.lookup("a")
        assert (entry.key, entry.pid, entry.value) == ("a", first, 1)
        assert await second.call(Member.join, "a") == first
        assert await first.call(Member.join, "a") == first
        assert await second.call(Member.join, "b") is None
        with pytest.raises(StartFailed) as caught:
            await system.start(Member, book, "a")
        assert isinstance(caught.value.__cause__, NameTaken)
        assert "Member #1" in str(caught.value.__cause__)
        assert owners(book, "a") == [first]

    run(scenario)


@pytest.mark.row("RG-01", "RG-12")
@pytest.mark.parametrize("keys", ["duplicate", "duplicate by key"])
@pytest.mark.parametrize("partitions", [1, 4])
def test_a_duplicate_key_belongs_to_any_number_of_processes(keys: Keys, partitions: int) -> None:
    async def scenario(system: System) -> None:
        book: Book = Registry("book", keys=keys, partitions=partitions)
        members = [await system.start(Member, book, "a", number) for number in range(6)]
        await members[0].call(Member.join, "a", "again")
        assert sorted(map(repr, owners(book, "a"))) == sorted(map(repr, [*members, members[0]]))
        assert book.values("a", members[0]) == [0, "again"]
        assert book.keys(members[0]) == ["a", "a"]
        await members[1].stop()
        assert members[1] not in owners(book, "a")
        assert book.count() == 6
        partition_sizes: list[int] = []
        book.dispatch("a", lambda entries: partition_sizes.append(len(entries)))
        assert sum(partition_sizes) == 6
        assert len(partition_sizes) == (4 if keys == "duplicate" and partitions == 4 else 1)

    run(scenario)


@pytest.mark.row("RG-02")
def test_a_process_registers_only_itself() -> None:
    async def scenario(system: System) -> None:
        book: Book = Registry("book")
        idle, other = await system.start(Member, book), await system.start(Member, book)
        with pytest.raises(NotOwner, match="only itself"):
            book.register(idle, "a", None)
        assert "Member #1" in await other.call(Member.try_for_another, idle, "a")
        busy = asyncio.create_task(idle.call(Member.hold, "k", [], "x"))
        await settle()
        with pytest.raises(NotOwner):
            book.register(idle, "a", None)
        assert "Member #1" in await other.call(Member.try_for_another, idle, "a")
        book_of_idle: Member = idle.process.server  # type: ignore[assignment]  # a Member
        book_of_idle.open()
        await busy
        await idle.stop()
        with pytest.raises(NotOwner, match="has ended"):
            book.register(idle, "a", None)
        assert book.count() == 0

    run(scenario)


@pytest.mark.row("RG-02")
def test_a_task_registers_itself() -> None:
    async def scenario(system: System) -> None:
        book: Book = Registry("book")

        async def work() -> list[str]:
            book.register(this_task(), "job", None)
            await asyncio.sleep(0)
            return book.keys(this_task())

        task = await start_task(system, work)
        assert await task.result() == ["job"]
        assert book.count() == 0

    run(scenario)


def test_a_registry_refuses_settings_that_make_no_sense() -> None:
    with pytest.raises(DefinitionError):
        Registry("book", keys="some")  # type: ignore[arg-type]  # that is the point
    with pytest.raises(DefinitionError):
        Registry("book", partitions=0)


# --- removal -------------------------------------------------------------------------------------------------


@pytest.mark.row("RG-03")
def test_entries_are_gone_before_anybody_hears_of_the_end() -> None:
    async def scenario(system: System) -> None:
        book: Book = Registry("book", keys="duplicate")
        member, observer = await system.start(Member, book, "a"), await system.start(Member, book)
        await member.call(Member.join, "b")
        await observer.call(Member.watch, member)
        counts: list[int] = []
        member.watch(lambda _: counts.append(book.count()))
        member.kill()
        assert counts == [0]
        assert (await observer.call(Member.history))[0] == ("down", 0)
        assert book.keys(member) == []

    run(scenario)


@pytest.mark.row("RG-03")
def test_a_key_can_be_taken_by_whoever_hears_of_its_owners_end() -> None:
    class Heir(Member):
        def handle_info(self, message: object) -> None:
            assert isinstance(message, Down)
            self.book.register(self.pid, "a", "inherited")

    async def scenario(system: System) -> None:
        book: Book = Registry("book")
        member, heir = await system.start(Member, book, "a"), await system.start(Heir, book)
        await heir.call(Member.watch, member)
        member.kill()
        await settle()
        assert owners(book, "a") == [heir]

    run(scenario)


@pytest.mark.row("RG-03")
def test_a_failed_start_leaves_no_entry() -> None:
    class Unlucky(Member):
        def init(self, book: Book, key: str | None = None, value: object = None) -> None:
            super().init(book, key, value)
            raise OSError("cannot start")

    async def scenario(system: System) -> None:
        book: Book = Registry("book")
        with pytest.raises(StartFailed):
            await system.start(Unlucky, book, "a")
        assert book.count() == 0

    run(scenario)


@pytest.mark.row("RG-11")
def test_a_process_unregisters_its_own_entries_only() -> None:
    async def scenario(system: System) -> None:
        book: Book = Registry("book", keys="duplicate by key")
        first, second = await system.start(Member, book, "a", 1), await system.start(Member, book, "a", 1)
        await first.call(Member.join, "a", 2)
        await first.call(Member.quit_match, "a", 1)
        assert book.values("a", first) == [2]
        assert book.values("a", second) == [1]
        await first.call(Member.quit, "a")
        await first.call(Member.quit, "unknown")
        assert owners(book, "a") == [second]
        assert first.process.cleanups == []
        with pytest.raises(NotOwner):
            book.unregister(second, "a")

    run(scenario)


# --- queries -------------------------------------------------------------------------------------------------


@pytest.mark.row("RG-04")
def test_entries_are_found_by_patterns_and_predicates() -> None:
    async def scenario(system: System) -> None:
        book: Book = Registry("book", keys="duplicate", partitions=3)
        a = await system.start(Member, book, "a", ("price", 10))
        b = await system.start(Member, book, "a", ("price", 20))
        await b.call(Member.join, "b", {"kind": "news"})
        assert [entry.pid for entry in book.match("a", ("price", lambda price: price > 15))] == [b]
        assert [entry.pid for entry in book.match("a", (str, 10))] == [a]
        assert book.match("a", ("price", ..., ...)) == []
        assert book.count_match("a", ("price", ...)) == 2
        assert {entry.pid for entry in book.select(lambda entry: entry.key == "a")} == {a, b}
        assert [entry.value for entry in book.select(value={"kind": ...})] == [{"kind": "news"}]
        assert [entry.key for entry in book.select(lambda entry: entry.pid == b, key=lambda key: key > "a")] == ["b"]
        assert book.count_select(key="a") == 2
        assert len(book.select()) == book.count() == 3
        assert sorted(book.keys(b)) == ["a", "b"]
        assert book.values("a", b) == [("price", 20)]
        assert book.lookup("unknown") == []

    run(scenario)


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        (..., None, True),
        (int, 3, True),
        (int, "3", False),
        (3, 3, True),
        ((1, ...), (1, 2), True),
        ((1, ...), [1, 2], False),
        ({"a": int}, {"a": 1, "b": 2}, True),
        ({"a": int}, {"b": 2}, False),
        (lambda value: value > 2, 3, True),
        (lambda value: value > 2, 2, False),
    ],
)
def test_patterns(pattern: object, value: object, expected: bool) -> None:
    assert matches(pattern, value) is expected


@pytest.mark.row("RG-05")
def test_only_the_owner_of_a_unique_key_updates_its_value() -> None:
    async def scenario(system: System) -> None:
        book: Book = Registry("book")
        owner, other = await system.start(Member, book, "a", 1), await system.start(Member, book)
        assert await owner.call(Member.add, "a", 5) == (6, 1)
        assert book.values("a", owner) == [6]
        assert await other.call(Member.add, "a", 5) is NotOwner
        with pytest.raises(NotOwner):
            book.update_value(owner, "a", lambda value: value)
        assert [entry.value for entry in book.lookup("a")] == [6]
        several: Book = Registry("several", keys="duplicate")
        member = await system.start(Member, several, "a", 1)
        assert await member.call(Member.add, "a", 1) is ProcessError
        await owner.stop()
        assert book.count() == 0

    run(scenario)


@pytest.mark.row("RG-06")
def test_dispatch_runs_in_the_caller_with_all_entries() -> None:
    async def scenario(system: System) -> None:
        book: Book = Registry("book", keys="duplicate")
        members = [await system.start(Member, book, "topic", number) for number in range(3)]

        def publish(entries: list[Entry[str, object]]) -> None:
            for entry in entries:
                entry.pid.send(("news", entry.value))

        book.dispatch("topic", publish)
        for number, member in enumerate(members):
            assert await member.call(Member.history) == [("news", number)]
        nobody: Callable[[object], object] = lambda _: pytest.fail("there is nobody")  # noqa: E731
        book.dispatch("nothing", nobody)
        with pytest.raises(ZeroDivisionError):
            book.dispatch("topic", lambda entries: len(entries) // 0)
        for member in members:
            await member.stop()
        book.dispatch("topic", nobody)

    run(scenario)


@pytest.mark.row("RG-07", "GS-02")
def test_a_process_is_called_cast_and_sent_to_by_its_key() -> None:
    async def scenario(system: System) -> None:
        book: Book = Registry("book")
        member = await system.start(Member, book, "a")
        assert await book.via(Member, "a").call(Member.ping, "hello") == "hello from Member #1"
        book.via(Member, "a").cast(Member.join, "b")
        book.via(Member, "a").send("note")
        assert await book.via(Member, "b" if book.lookup("b") else "a").call(Member.history) == ["note"]
        assert book.via(Member, "b") == member
        with pytest.raises(NameUnknown, match="nobody"):
            book.via(Member, "nobody")
        with pytest.raises(ProcessError, match="not a Other"):
            book.via(Other, "a")
        await member.stop()
        with pytest.raises(NameUnknown):
            book.via(Member, "a")
        with pytest.raises(ProcessError, match="unique"):
            Registry[str, object]("several", keys="duplicate").via(Member, "a")

    run(scenario)


class Other(GenServer):
    pass


@pytest.mark.row("RG-08")
def test_listeners_are_told_of_registrations_and_ends() -> None:
    async def scenario(system: System) -> None:
        book: Book = Registry("book", listeners=("listener", "nobody"))
        listener = await system.start(Member, book, name="listener")
        member = await system.start(Member, book, "a", 1)
        await member.call(Member.join, "b", 2)
        await member.call(Member.quit, "a")
        member.kill()
        assert await listener.call(Member.history) == [
            Registered("book", "a", member, 1),
            Registered("book", "b", member, 2),
            Unregistered("book", "a", member),
            Unregistered("book", "b", member),
        ]

    run(scenario)


@pytest.mark.row("RG-09")
def test_a_registry_has_room_for_facts_about_itself() -> None:
    book: Book = Registry("book")
    book.meta["owner"] = "ada"
    assert book.meta["owner"] == "ada"
    del book.meta["owner"]
    assert book.meta.get("owner", "none") == "none"


# --- locks ---------------------------------------------------------------------------------------------------


@pytest.mark.row("RG-10")
def test_one_process_at_a_time_is_inside_a_keys_lock() -> None:
    async def scenario(system: System) -> None:
        book: Book = Registry("book")
        log: list[str] = []
        members = [await system.start(Member, book) for _ in range(3)]
        holding = [
            asyncio.create_task(member.call(Member.hold, "k", log, str(number)))
            for number, member in enumerate(members)
        ]
        other = await system.start(Member, book)
        elsewhere = asyncio.create_task(other.call(Member.hold, "another", log, "other"))
        await settle()
        assert log == ["0 in", "other in"]
        for member in [*members, other]:
            server = member.process.server
            assert isinstance(server, Member)
            server.open()
            await settle()
        assert log == ["0 in", "other in", "0 out", "1 in", "1 out", "2 in", "2 out", "other out"]
        await asyncio.gather(*holding, elsewhere)
        assert len(book._locks) == 0
        assert all(not member.process.cleanups for member in members)

    run(scenario)


@pytest.mark.row("RG-10")
def test_a_lock_is_given_back_at_once_when_its_holder_ends() -> None:
    async def scenario(system: System) -> None:
        book: Book = Registry("book")
        log: list[str] = []
        first, second, third = [await system.start(Member, book) for _ in range(3)]
        first.cast(Member.hold, "k", log, "first")
        await settle()
        second.cast(Member.hold, "k", log, "second")
        third.cast(Member.hold, "k", log, "third")
        await settle()
        second.kill()  # one that waits
        first.kill()
        assert log == ["first in"]
        await settle()
        assert log == ["first in", "third in"]
        third.kill()
        await settle()
        assert len(book._locks) == 0

    run(scenario)


@pytest.mark.row("RG-10")
def test_code_outside_uses_locks_too() -> None:
    async def scenario(_: System) -> None:
        book: Book = Registry("book")

        async def enter() -> None:
            async with book.lock("k"):
                pass

        async with book.lock("k"):
            waiting = asyncio.create_task(enter())
            await settle()
            assert not waiting.done()
            waiting.cancel()
            await settle()
        await enter()
        assert len(book._locks) == 0

    run(scenario)


# --- the invariant -------------------------------------------------------------------------------------------


class Model:
    """Runs random steps on members of one book, and looks after each that nobody shares a key with anybody."""

    def __init__(self, system: System, book: Book, seed: int) -> None:
        self.system = system
        self.book = book
        self.random = random.Random(seed)
        self.alive: list[Pid[Member]] = []
        self.calls: list[asyncio.Task[object]] = []

    async def step(self) -> None:
        action = self.random.choice((self.start, self.join, self.join, self.quit, self.kill, self.stop, self.turn))
        await action()
        self.check()

    def pick(self) -> Pid[Member] | None:
        return self.random.choice(self.alive) if self.alive else None

    def key(self) -> str:
        return self.random.choice("abcde")

    async def start(self) -> None:
        key = self.key()
        if not self.book.lookup(key):
            self.alive.append(await self.system.start(Member, self.book, key))
            return
        with pytest.raises(StartFailed) as caught:
            await self.system.start(Member, self.book, key)
        assert isinstance(caught.value.__cause__, AlreadyRegistered)

    async def join(self) -> None:
        if (member := self.pick()) is not None:
            member.cast(Member.join, self.key())

    async def quit(self) -> None:
        if (member := self.pick()) is not None:
            member.cast(Member.quit, self.key())

    async def kill(self) -> None:
        if (member := self.pick()) is not None:
            member.kill()
            self.alive.remove(member)

    async def stop(self) -> None:
        if (member := self.pick()) is not None:
            await member.stop()
            self.alive.remove(member)

    async def turn(self) -> None:
        await asyncio.sleep(0)

    def check(self) -> None:
        entries = self.book.select()
        keys = [entry.key for entry in entries]
        assert len(keys) == len(set(keys)), "a key has two owners"
        assert all(entry.pid.alive for entry in entries), "a dead process has a key"
        held = [key for member in self.alive for key in self.book.keys(member)]
        assert sorted(held) == sorted(keys)
        assert self.book.count() == len(keys)


@pytest.mark.row("RG-02", "RG-03")
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), partitions=st.integers(1, 3))
def test_a_unique_key_never_has_two_owners(seed: int, partitions: int) -> None:
    async def scenario(system: System) -> None:
        model = Model(system, Registry("book", partitions=partitions), seed)
        for _ in range(120):
            await model.step()
        for member in model.alive:
            member.exit(Exit.SHUTDOWN)
        assert model.book.count() == 0

    run(scenario)


@pytest.mark.soak
def test_a_million_entries() -> None:
    async def scenario(system: System) -> None:
        book: Registry[int, None] = Registry("book", partitions=16)

        class Many(GenServer):
            def join(self, first: int, count: int) -> None:
                for key in range(first, first + count):
                    book.register(self.pid, key, None)

        members = [await system.start(Many) for _ in range(1000)]
        for number, member in enumerate(members):
            await member.call(Many.join, number * 1000, 1000)
        assert book.count() == 1_000_000
        assert book.lookup(999_999)[0].pid == members[-1]
        members[0].kill()
        assert book.count() == 999_000

    run(scenario)
