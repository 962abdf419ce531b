"""What senders and watchers can rely on, whatever the order of turns: no loss, no mixing up, no half-gone process."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar, cast
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater import Exit, GenServer, Pid, System
from headwater.errors import DeadlineExceeded, MailboxFull, ProcessDown, Rejected
from headwater.runtime.down import Down, Exited
from headwater.runtime.exits import Reason, describe
from headwater.runtime.mailbox import Overflow
from headwater.runtime.node import INLINE_TURNS, Node, Runnable, RunQueue
from headwater.runtime.registry import Registry
from headwater.runtime.reply import Deferred
from headwater.runtime.states import ENDED, WATCHFUL
from headwater.testing.clock import VirtualClock
from headwater.testing.simulation import explore

SEEDS = range(150)
SENDERS = 4
MESSAGES = 25
BOUNDS: tuple[tuple[int, Overflow], ...] = (
    (100_000, "reject"),
    (3, "reject"),
    (3, "drop_newest"),
    (3, "drop_oldest"),
)


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Iterator[None]:
    """The crashes are meant."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


# --- P1: order, no loss, no late answer ------------------------------------------------------------------------------

Item = tuple[int, int]
"""A message: who sent it, and its number among that sender's."""


class Receiver(GenServer):
    """Notes what it handles, in every way in which a message can be handled."""

    def init(self) -> None:
        self.log: list[Item] = []
        self.rung = 0

    def note(self, item: Item) -> Item:
        self.log.append(item)
        return item

    async def note_slowly(self, item: Item, seconds: float) -> Item:
        self.log.append(item)
        await asyncio.sleep(seconds)
        return item

    def refuse(self, item: Item) -> Item:
        self.log.append(item)
        raise Rejected(str(item))

    def note_later(self, item: Item, seconds: float) -> Deferred[Item]:
        self.log.append(item)
        deferred: Deferred[Item] = self.defer(tuple)
        self.send_after(seconds, lambda: deferred.reply(item))
        return deferred

    def handle_info(self, message: object) -> None:
        if callable(message):
            self.rung += 1
            message()
        elif isinstance(message, tuple):
            self.log.append(message)


@dataclass
class Sent:
    """What the senders did and heard.

    Attributes:
        sent: every message.
        answered: those whose senders got their answer.
        given_up: those whose senders stopped waiting.
        refused: those that found the mailbox full, and were told.
        silent: those that nobody waits for.
    """

    sent: list[Item] = field(default_factory=list)
    answered: list[Item] = field(default_factory=list)
    given_up: list[Item] = field(default_factory=list)
    refused: list[Item] = field(default_factory=list)
    silent: list[Item] = field(default_factory=list)


class Sender(GenServer):
    """Sends messages in all ways. Nothing is ever sent to it, so all that it hears is a mistake."""

    def init(self, index: int, target: Pid[Receiver], sent: Sent) -> None:
        self.index = index
        self.target = target
        self.sent = sent
        self.heard: list[object] = []

    def handle_info(self, message: object) -> None:
        self.heard.append(message)

    async def work(self, draw: Callable[[], float]) -> list[object]:
        pending: list[tuple[Item, asyncio.Future[Item]]] = []
        for number in range(MESSAGES):
            item = (self.index, number)
            self.sent.sent.append(item)
            await self._one(item, draw, pending)
            if draw() < 0.2:
                await asyncio.sleep(draw() / 10)
        for item, future in pending:
            await self._hear(item, _joined(future))
        return self.heard

    async def _one(
        self, item: Item, draw: Callable[[], float], pending: list[tuple[Item, asyncio.Future[Item]]]
    ) -> None:
        target, choice = self.target, draw()
        if choice < 0.25:
            target.cast(Receiver.note, item)
            self.sent.silent.append(item)
        elif choice < 0.4:
            target.send(item)
            self.sent.silent.append(item)
        elif choice < 0.5:
            target.cast(Receiver.note_slowly, item, draw() / 20)
            self.sent.silent.append(item)
        elif choice < 0.6:
            self._begin(item, draw() / 5, pending)
        else:
            await self._hear(item, self._call(item, draw))

    def _begin(self, item: Item, seconds: float, pending: list[tuple[Item, asyncio.Future[Item]]]) -> None:
        try:
            pending.append((item, self.target.begin(Receiver.note_later, item, seconds)))
        except MailboxFull:
            self.sent.refused.append(item)

    async def _call(self, item: Item, draw: Callable[[], float]) -> Item:
        target = self.target if draw() < 0.5 else self.target.within(draw() / 20 + 0.001)
        async with asyncio.timeout(draw() / 20 if draw() < 0.3 else None):
            choice = draw()
            if choice < 0.4:
                return await target.call(Receiver.note, item)
            if choice < 0.7:
                return await target.call(Receiver.note_slowly, item, draw() / 20)
            if choice < 0.85:
                return await target.call(Receiver.note_later, item, draw() / 20)
            return await target.call(Receiver.refuse, item)

    async def _hear(self, item: Item, answer: object) -> None:
        assert asyncio.iscoroutine(answer)
        try:
            got = await answer
        except (DeadlineExceeded, TimeoutError):
            self.sent.given_up.append(item)
            return
        except MailboxFull:
            self.sent.refused.append(item)
            return
        except Rejected as error:
            got = item if str(error) == str(item) else error
        assert got == item, f"{item} was answered with {got}"
        self.sent.answered.append(item)


async def _joined(future: asyncio.Future[Item]) -> Item:
    async with asyncio.timeout(5):
        return await future


async def _quiet_down(*pids: Pid[object]) -> None:
    """Wait, in virtual time, until processes have nothing left to do."""
    while any(pid.process.mailbox or WATCHFUL < pid.process.state < ENDED for pid in pids):
        await asyncio.sleep(0.01)


def _check(sent: Sent, receiver: Pid[Receiver], log: list[Item], rung: int) -> None:
    process = receiver.process
    for sender in range(SENDERS):
        numbers = [number for who, number in log if who == sender]
        assert numbers == sorted(set(numbers)), f"sender {sender}: {numbers}"
    mailbox = process.mailbox
    assert len(log) + process.expired + mailbox.dropped == len(sent.sent)
    assert process.handled == len(log) + rung
    missing = Counter(sent.sent) - Counter(log)
    assert not Counter(sent.answered) - Counter(log), "answered without having been handled"
    assert process.expired <= len(sent.given_up)
    if mailbox.capacity > 1000:
        assert not mailbox.dropped
        assert set(missing) <= set(sent.given_up)
    if mailbox.overflow == "reject":
        assert not set(sent.refused) & set(log)
        assert len(set(missing) & set(sent.silent)) + len(sent.refused) == mailbox.dropped
    told = Counter(sent.answered) + Counter(sent.given_up) + Counter(sent.refused) + Counter(sent.silent)
    assert told == Counter(sent.sent), "each message has exactly one outcome for its sender"


@pytest.mark.row("PR-02")
@pytest.mark.parametrize(("capacity", "overflow"), BOUNDS)
def test_messages_of_a_sender_keep_their_order_and_none_is_lost_or_doubled(capacity: int, overflow: Overflow) -> None:
    totals: Counter[str] = Counter()

    class Bounded(Receiver):
        pass

    Bounded.capacity, Bounded.overflow = capacity, overflow

    async def scenario(system: System) -> None:
        surprises: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: surprises.append(context))
        receiver: Pid[Receiver] = await system.start(Bounded)
        sent = Sent()
        senders = [await system.start(Sender, index, receiver, sent) for index in range(SENDERS)]
        draw = system.rng.random
        heard = await asyncio.gather(*(sender.within(None).call(Sender.work, draw) for sender in senders))
        await _quiet_down(receiver, *senders)
        await asyncio.sleep(10)  # no deadline and no answer is under way any more
        server = receiver.process.server
        assert isinstance(server, Receiver)
        _check(sent, receiver, server.log, server.rung)
        assert heard == [[]] * SENDERS
        assert all(sender.process.handled == 1 for sender in senders), "a late answer came as a message"
        assert receiver.process._deferred in (None, {})
        assert not surprises
        process = receiver.process
        totals.update(expired=process.expired, dropped=process.mailbox.dropped, late=len(sent.given_up))

    explore(scenario, seeds=SEEDS)
    gc.collect()  # an exception that nobody has seen would be reported now
    assert totals["late"] > 100
    assert totals["expired"] > 20
    assert (totals["dropped"] > 100) == (capacity < 1000)


# --- P3: everything is gone before anybody is told -------------------------------------------------------------------


class Holder(GenServer):
    """Has a name, an entry in a registry, a cleanup, perhaps a companion, and ends in all ways."""

    def init(self, key: int, registry: Registry[int, None], cleaned: set[int], trap: bool) -> None:
        self.trap_exit = trap
        self.key = key
        registry.register(self.pid, key, None)
        process = self.pid.process
        process.cleanups = [*(process.cleanups or ()), lambda: cleaned.add(key)]

    def tie(self, other: Pid[Holder]) -> None:
        self.link(other)

    def boom(self) -> None:
        raise ValueError("boom")

    async def boom_slowly(self) -> None:
        await asyncio.sleep(0.01)
        raise ValueError("boom")

    async def hang(self) -> None:
        await asyncio.sleep(3)

    def leave(self) -> None:
        self.stop()

    def handle_info(self, message: object) -> None:
        """An exit signal that is trapped."""


class Witness(GenServer):
    """Looks whether a process is wholly gone when it hears of its end."""

    trap_exit = True

    def init(self, check: Callable[[Pid[object]], None]) -> None:
        self.check = check
        self.heard: Counter[str] = Counter()

    def observe(self, pid: Pid[Holder]) -> None:
        self.monitor(pid)
        self.link(pid)

    def handle_info(self, message: object) -> None:
        assert isinstance(message, Down | Exited)
        assert message.pid is not None
        self.check(message.pid)
        self.heard[type(message).__name__] += 1

    def count(self) -> Counter[str]:
        return self.heard


HOLDERS = 8
Choice = TypeVar("Choice")


def _pick(system: System, choices: Sequence[Choice]) -> Choice:
    return choices[int(system.rng.random() * len(choices))]


async def _end_randomly(system: System, pid: Pid[Holder], check: Callable[[Pid[object]], None]) -> None:
    ends: list[Callable[[], object]] = [
        pid.kill,
        lambda: pid.exit(OSError("out")),
        lambda: pid.cast(Holder.boom),
        lambda: pid.cast(Holder.leave),
        lambda: pid.cast(Holder.boom_slowly),
        lambda: pid.process.ask_to_stop(Exit.SHUTDOWN),
    ]
    await asyncio.sleep(system.rng.random())
    if system.rng.random() < 0.3:
        pid.cast(Holder.hang)
    _pick(system, ends)()
    if system.rng.random() < 0.5:
        try:
            if system.rng.random() < 0.3:
                await pid.within(None).call(Holder.boom)
            else:
                await pid.within(None).call(_pick(system, [Holder.boom_slowly, Holder.hang]))
        except ProcessDown:
            check(pid)
    await asyncio.sleep(5)
    pid.kill()


@pytest.mark.row("PR-02")
def test_name_entries_and_cleanups_are_gone_before_anybody_hears_of_the_end() -> None:
    told: Counter[str] = Counter()

    async def scenario(system: System) -> None:
        registry: Registry[int, None] = Registry("keys")
        cleaned: set[int] = set()
        pids: dict[Pid[object], int] = {}

        def check(pid: Pid[object]) -> None:
            key = pids[pid]
            assert not pid.alive
            assert system.node.names.find(f"holder {key}") is None
            assert registry.lookup(key) == []
            assert registry.keys(pid) == []
            assert key in cleaned
            assert pid.process not in system.node.processes

        def watched(pid: Pid[object]) -> Callable[[Reason], None]:
            def watcher(_: Reason) -> None:
                check(pid)
                told["watcher"] += 1

            return watcher

        async def waits(pid: Pid[object]) -> None:
            await pid.wait()
            check(pid)
            told["wait"] += 1

        witness = await system.start(Witness, check)
        holders: list[Pid[Holder]] = []
        for key in range(HOLDERS):
            trap = system.rng.random() < 0.3
            holder = await system.start(Holder, key, registry, cleaned, trap, name=f"holder {key}")
            pids[holder] = key
            holder.watch(watched(holder))
            await witness.call(Witness.observe, holder)
            if holders and system.rng.random() < 0.5:
                await holder.call(Holder.tie, _pick(system, holders))
            holders.append(holder)
        waiting = [asyncio.ensure_future(waits(holder)) for holder in holders]
        await asyncio.gather(*(_end_randomly(system, holder, check) for holder in holders))
        await asyncio.gather(*waiting)
        assert await witness.call(Witness.count) == {"Down": HOLDERS, "Exited": HOLDERS}
        assert registry.count() == 0

    explore(scenario, seeds=SEEDS)
    assert told == {"watcher": HOLDERS * len(SEEDS), "wait": HOLDERS * len(SEEDS)}


# --- the inline path and the queued path -----------------------------------------------------------------------------

PLAYERS = 3
Move = tuple[str, str]
"""How a message is sent, and which method it is for."""
Burst = tuple[int, str, list[Move], float]
"""To whom, what comes first from outside, the messages, and how much time passes afterwards."""


class Player(GenServer):
    """Does everything that a process can ask the runtime for, and writes down what it did."""

    def init(self, others: list[Pid[Player]], trap: bool, slow_end: bool) -> None:
        self.trap_exit = trap
        self.slow_end = slow_end
        self.others = others
        self.log: list[str] = []
        self.waiting: list[Deferred[int]] = []

    def plain(self) -> int:
        self.log.append("plain")
        return len(self.log)

    async def slow(self) -> int:
        self.log.append("slow")
        await asyncio.sleep(0)
        self.log.append("slow done")
        return len(self.log)

    def boom(self) -> None:
        self.log.append("boom")
        raise ValueError("boom")

    async def slow_boom(self) -> None:
        self.log.append("slow boom")
        await asyncio.sleep(0)
        raise ValueError("slow boom")

    def refuse(self) -> None:
        self.log.append("refuse")
        self.then(Player.plain)
        raise Rejected("no")

    def leave(self) -> int:
        self.log.append("leave")
        self.stop()
        self.then(Player.plain)  # in vain
        return 7

    def chain(self) -> int:
        self.log.append("chain")
        self.then(Player.slow)
        self.then(Player.plain)
        self.cast_self()
        return 1

    def chain_boom(self) -> int:
        self.log.append("chain boom")
        self.then(Player.boom)
        return 2

    def await_idle(self) -> None:
        self.log.append("await idle")
        self.wait_for_message(1.0, "idle")

    def cast_self(self) -> None:
        self.log.append("cast self")
        self.pid.cast(Player.plain)

    def later(self) -> Deferred[int]:
        self.log.append("later")
        deferred = self.defer(int)
        self.waiting.append(deferred)
        self.send_after(1.0, "answer")
        return deferred

    def tie(self) -> None:
        self.log.append("tie")
        for other in self.others:
            self.link(other)

    def die_by_link(self) -> None:
        self.log.append("die by link")
        self.exit(self.pid, OSError("by myself"))

    async def relay(self) -> str:
        heard = [await _ask(self.others[0], method) for method in ("plain", "slow", "refuse")]
        self.log.append(f"relay {heard}")
        return str(heard)

    def handle_info(self, message: object) -> None:
        if message == "answer":
            for deferred in self.waiting:
                deferred.reply(len(self.log))
            self.waiting.clear()
        self.log.append(f"info {type(message).__name__ if isinstance(message, Exited) else message}")

    def terminate(self, reason: Reason) -> object:
        self.log.append(f"terminate {describe(reason)}")
        return self._end_slowly() if self.slow_end else None

    async def _end_slowly(self) -> None:
        await asyncio.sleep(0)
        self.log.append("ended slowly")


METHODS = {
    name: getattr(Player, name)
    for name in (
        *("plain", "slow", "refuse", "chain", "await_idle", "cast_self", "later", "tie", "relay"),
        *("boom", "slow_boom", "leave", "chain_boom", "die_by_link"),
    )
}
MILD = sorted(METHODS.keys() - {"boom", "slow_boom", "leave", "chain_boom", "die_by_link"})


async def _ask(pid: Pid[Player], method: str) -> str:
    """Call, and say what came of it, and whether the process lives where that is settled."""
    try:
        return str(await pid.within(None).call(METHODS[method]))
    except Rejected as error:
        return f"rejected: {error}"
    except ProcessDown as error:
        return f"down: {describe(cast('Reason', error.reason))}, {'alive' if pid.alive else 'dead'}"


class CountingQueue(RunQueue):
    """Counts the turns."""

    __slots__ = ("turns",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.turns = 0

    def add(self, process: Runnable) -> None:
        self.turns += 1
        super().add(process)


@dataclass
class History:
    """All that can be seen of a run."""

    heard: list[str] = field(default_factory=list)
    logs: list[list[str]] = field(default_factory=list)
    ends: list[tuple[str, int, int, object]] = field(default_factory=list)
    turns: int = field(default=0, compare=False)


async def _settle_players(players: list[Pid[Player]]) -> None:
    rounds = 0
    while rounds < 3:
        await asyncio.sleep(0)
        busy = any(player.process.mailbox or WATCHFUL < player.process.state < ENDED for player in players)
        rounds = 0 if busy else rounds + 1


def _note(history: History, place: int, future: asyncio.Future[int]) -> None:
    error = future.exception()
    history.heard[place] = f"later {future.result()}" if error is None else f"later {type(error).__name__}"


async def _burst(history: History, player: Pid[Player], moves: list[Move]) -> None:
    for way, method in moves:
        if way == "cast":
            player.cast(METHODS[method])
        elif way == "send":
            player.send(method)
        elif way == "begin" or method == "later":  # its answer takes time, which stands still meanwhile
            _begin(history, player)
        else:
            history.heard.append(await _ask(player, method))


def _begin(history: History, player: Pid[Player]) -> None:
    try:
        future = player.begin(Player.later)
    except ProcessDown as error:
        history.heard.append(f"down: {describe(cast('Reason', error.reason))}")
        return
    place = len(history.heard)
    history.heard.append("never answered")
    future.add_done_callback(lambda done: _note(history, place, done))


OUTSIDE: dict[str, Callable[[Pid[Player]], object]] = {
    "nothing": lambda _: None,
    "kill": lambda player: player.kill(),
    "exit": lambda player: player.exit(OSError("outside")),
    "normal": lambda player: player.exit(Exit.NORMAL),
    "stop": lambda player: player.process.ask_to_stop(Exit.SHUTDOWN),
}


async def _play(program: list[Burst], kinds: list[tuple[bool, bool]], allowed: int) -> History:
    history = History()
    clock = VirtualClock()
    queues: list[CountingQueue] = []

    def scheduler(node: Node) -> RunQueue:
        queues.append(CountingQueue(node.loop))
        return queues[0]

    async with System("play", clock=clock, scheduler=scheduler) as system:
        players: list[Pid[Player]] = []
        for trap, slow_end in kinds:
            players.append(await system.start(Player, list(players), trap, slow_end))
        for index, player in enumerate(players):
            others = [other for other in players if other is not player]
            _server(player).others = others[index:] + others[:index]
        system.node.inline_turns = allowed
        for who, outside, moves, seconds in program:
            OUTSIDE[outside](players[who])
            await _settle_players(players)
            await _burst(history, players[who], moves)
            await _settle_players(players)
            clock.advance(seconds)
            await _settle_players(players)
        for player in players:
            process = player.process
            reason = "lives" if process.reason is None else describe(process.reason)
            links = sorted(other.number for other in process.links or () if isinstance(other, type(process)))
            history.ends.append((reason, process.handled, process.expired, links))
        history.turns = queues[0].turns
    await asyncio.sleep(0)
    history.logs = [_server(player).log for player in players]
    return history


def _server(player: Pid[Player]) -> Player:
    server = player.process.server
    assert isinstance(server, Player)
    return server


ways = st.sampled_from(["call", "call", "call", "cast", "send", "begin"])
methods = st.one_of(st.sampled_from(MILD), st.sampled_from(MILD), st.sampled_from(sorted(METHODS)))
bursts = st.tuples(
    st.integers(0, PLAYERS - 1),
    st.sampled_from(["nothing"] * 8 + sorted(OUTSIDE)),
    st.lists(st.tuples(ways, methods), max_size=8),
    st.sampled_from([0.0, 0.5, 1.0]),
)
Path = Literal["inline", "queued"]


def _turns(path: Path, program: list[Burst], kinds: list[tuple[bool, bool]]) -> History:
    allowed = INLINE_TURNS if path == "inline" else 0
    with mock.patch("headwater.runtime.turns.INLINE_TURNS", allowed):
        return asyncio.run(_play(program, kinds, allowed))


def test_calls_that_run_at_once_and_calls_that_wait_have_the_same_history() -> None:
    turns: Counter[str] = Counter()

    @settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(
        st.lists(bursts, min_size=1, max_size=10),
        st.lists(st.tuples(st.booleans(), st.booleans()), min_size=PLAYERS, max_size=PLAYERS),
    )
    def same(program: list[Burst], kinds: list[tuple[bool, bool]]) -> None:
        inline, queued = _turns("inline", program, kinds), _turns("queued", program, kinds)
        turns.update(inline=inline.turns, queued=queued.turns)
        assert inline == queued

    same()
    assert turns["inline"] < 0.8 * turns["queued"], "calls did run at once"
