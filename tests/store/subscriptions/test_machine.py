"""The state machine of subscriptions against a model: random logs, acknowledgements, checkpoints, crashes."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from headwater.errors import AlreadyAcknowledged, NotDelivered
from headwater.store.subscription_fsm import SubscriptionMachine
from headwater.store.subscription_limits import Limits
from headwater.store.subscription_output import Abandon, Deliver, Output, Read, Release, StartTimer, WriteCheckpoint


class Entry(NamedTuple):
    """An event of the log: where it lies, its key, and whether the subscription wants it."""

    place: int
    key: str
    wanted: bool


class Schedule(RuleBasedStateMachine):
    """Runs a machine as its owner would, in any order that can happen, and checks each output."""

    @initialize(
        room=st.integers(1, 4),
        every=st.integers(1, 4),
        page=st.integers(1, 5),
        window=st.integers(1, 12),
        keyed=st.booleans(),
        patience=st.integers(0, 30),
    )
    def begin(self, room: int, every: int, page: int, window: int, keyed: bool, patience: int) -> None:
        self.limits = Limits(room, every, page, window)
        self.patience = patience  # how many deliveries come before an end, at least
        self.keyed = keyed
        self.log: list[Entry] = []
        self.acknowledged: set[int] = set()
        self.durable = 0
        self.numbers = 0
        self.bell = False
        self.start()

    def start(self) -> None:
        """A new owner: it knows nothing but the checkpoint."""
        key_of = (lambda entry: entry.key) if self.keyed else None
        self.machine = SubscriptionMachine[Entry](self.durable, self.limits, lambda entry: entry.place, key_of)
        self.began_at = self.durable
        self.in_flight: dict[int, list[Entry]] = {}
        self.delivered: list[int] = []
        self.done: set[int] = set()
        self.reading: Read | None = None
        self.snapshot: tuple[list[Entry], int, bool] | None = None
        self.writing: int | None = None
        self.timer = False
        self.bell = False
        self.obey(self.machine.start())

    # --- what the machine wants --------------------------------------------------------------------------------

    def obey(self, outputs: list[Output[Entry]]) -> None:
        for output in outputs:
            match output:
                case Read():
                    assert self.reading is None, "one page at a time"
                    self.reading = output
                case Deliver(consumer, events):
                    assert events
                    for event in events:
                        self.deliver(consumer, event)
                case WriteCheckpoint(place):
                    assert self.writing is None, "one checkpoint at a time"
                    self.writing = place
                    self.check_checkpoint(place)
                case StartTimer():
                    assert not self.timer
                    self.timer = True
                case Release() | Abandon():
                    raise AssertionError("nobody asked it to end")

    def deliver(self, consumer: int, event: Entry) -> None:
        assert event.wanted
        assert event.place > self.began_at
        assert event.place not in self.done, "acknowledged already"
        assert all(event not in events for events in self.in_flight.values()), "somebody has it"
        if not self.keyed and len(self.in_flight) == 1:
            assert self.earlier(event) <= self.done | {one.place for one in self.in_flight[consumer]}, "skipped one"
        if self.keyed:
            mine = {one.place for one in self.in_flight[consumer]}
            assert {place for place in self.earlier(event) if self.log[place - 1].key == event.key} <= self.done | mine
        self.in_flight[consumer].append(event)
        self.delivered.append(event.place)
        assert len(self.in_flight[consumer]) <= self.limits.unacknowledged

    def earlier(self, event: Entry) -> set[int]:
        """The wanted events of this owner's time that lie before an event."""
        return {one.place for one in self.log[self.began_at : event.place - 1] if one.wanted}

    def check_checkpoint(self, place: int) -> None:
        assert self.durable <= place <= len(self.log), "backwards, or past the log"
        assert {entry.place for entry in self.log[:place] if entry.wanted} <= self.acknowledged, "past an event"

    # --- what can happen ---------------------------------------------------------------------------------------

    @rule(entries=st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1, max_size=8))
    def append(self, entries: list[tuple[str, bool]]) -> None:
        for key, wanted in entries:
            self.log.append(Entry(len(self.log) + 1, key, wanted))
        self.bell = True

    @precondition(lambda self: self.bell)
    @rule()
    def wake(self) -> None:
        self.bell = False
        self.obey(self.machine.wake())

    @rule()
    def wake_for_nothing(self) -> None:
        self.obey(self.machine.wake())

    @precondition(lambda self: self.reading is not None and self.snapshot is None)
    @rule()
    def read(self) -> None:
        """The log is looked at; what is appended from now on isn't in the page."""
        assert self.reading is not None
        wanted = [entry for entry in self.log[self.reading.after :] if entry.wanted]
        page = wanted[: self.reading.limit]
        more = len(page) == self.reading.limit
        self.snapshot = (page, page[-1].place if more else len(self.log), more)

    @precondition(lambda self: self.snapshot is not None)
    @rule()
    def page_arrives(self) -> None:
        assert self.snapshot is not None
        page, covered, more = self.snapshot
        self.reading = self.snapshot = None
        self.obey(self.machine.page(page, covered, more=more))

    @rule()
    def read_on(self) -> None:
        """What is under way at the log comes about: some schedules get far."""
        for _ in range(3):
            if self.bell:
                self.wake()
            if self.reading is not None and self.snapshot is None:
                self.read()
            if self.snapshot is not None:
                self.page_arrives()

    @precondition(lambda self: len(self.in_flight) < 4)
    @rule()
    def join(self) -> None:
        self.numbers += 1
        self.in_flight[self.numbers] = []
        self.obey(self.machine.join(self.numbers))

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        consumer = data.draw(st.sampled_from(sorted(self.in_flight)))
        del self.in_flight[consumer]
        self.obey(self.machine.leave(consumer))

    @precondition(lambda self: any(self.in_flight.values()))
    @rule(data=st.data(), first=st.booleans())
    def replace(self, data: st.DataObject, first: bool) -> None:
        """Somebody who has events leaves, and somebody else comes, before that or after it."""
        consumer = data.draw(st.sampled_from([number for number, events in self.in_flight.items() if events]))
        if first:
            self.join()
        del self.in_flight[consumer]
        self.obey(self.machine.leave(consumer))
        if not first:
            self.join()

    @precondition(lambda self: any(self.in_flight.values()))
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        consumer = data.draw(st.sampled_from([number for number, events in self.in_flight.items() if events]))
        events = data.draw(st.lists(st.sampled_from(self.in_flight[consumer]), min_size=1, unique=True))
        self.mark(consumer, events)
        self.obey(self.machine.acknowledge(consumer, events))

    @precondition(lambda self: any(self.in_flight.values()))
    @rule(data=st.data())
    def acknowledge_up_to(self, data: st.DataObject) -> None:
        consumer = data.draw(st.sampled_from([number for number, events in self.in_flight.items() if events]))
        last = data.draw(st.sampled_from(self.in_flight[consumer]))
        events = self.in_flight[consumer][: self.in_flight[consumer].index(last) + 1]
        self.mark(consumer, events)
        self.obey(self.machine.acknowledge_up_to(consumer, last))

    def mark(self, consumer: int, events: list[Entry]) -> None:
        places = {event.place for event in events}
        self.in_flight[consumer] = [event for event in self.in_flight[consumer] if event.place not in places]
        self.acknowledged |= places
        self.done |= places

    @precondition(lambda self: self.in_flight and self.log)
    @rule(data=st.data())
    def acknowledge_wrongly(self, data: st.DataObject) -> None:
        consumer = data.draw(st.sampled_from(sorted(self.in_flight)))
        event = data.draw(st.sampled_from(self.log))
        right = self.in_flight[consumer]
        if event in right:
            with pytest.raises(AlreadyAcknowledged):
                self.machine.acknowledge(consumer, [event, event])
            with pytest.raises(NotDelivered):
                self.machine.acknowledge(consumer, [event._replace(key="another")])
            return
        wrong = AlreadyAcknowledged if event.place in self.done else (NotDelivered, AlreadyAcknowledged)
        with pytest.raises(wrong):
            self.machine.acknowledge(consumer, [*right, event])
        with pytest.raises(wrong):
            self.machine.acknowledge_up_to(consumer, event)

    @precondition(lambda self: self.timer)
    @rule()
    def time_passes(self) -> None:
        self.timer = False
        self.obey(self.machine.timer_fired())

    @rule()
    def flush(self) -> None:
        self.obey(self.machine.checkpoint_due())

    @precondition(lambda self: self.writing is not None)
    @rule()
    def written(self) -> None:
        assert self.writing is not None
        self.durable, self.writing = self.writing, None
        self.obey(self.machine.checkpoint_written())

    @precondition(lambda self: self.writing is not None)
    @rule()
    def not_written(self) -> None:
        self.writing = None
        self.obey(self.machine.checkpoint_failed())

    @precondition(lambda self: len(self.delivered) >= self.patience)
    @rule(how=st.sampled_from(["crash", "crash when written", "lose", "close"]))
    def end(self, how: str) -> None:
        """It ends, and somebody starts it anew."""
        if how == "crash when written" and self.writing is not None:
            self.durable = self.writing  # the disk had it, nobody was told
        elif how == "lose":
            assert self.machine.lose() == [Abandon()]
            self.check_silence("lost")
        elif how == "close":
            self.close()
        self.start()

    def close(self) -> None:
        if self.writing is not None:
            self.written()
        [output] = self.machine.close()
        assert isinstance(output, Release)
        self.check_checkpoint(output.place)
        self.check_silence("closed")
        self.durable = output.place

    def check_silence(self, phase: str) -> None:
        """What comes late does nothing."""
        late = self.machine
        assert late.phase == phase
        assert late.wake() == late.page([], len(self.log), more=True) == late.join(0) == late.leave(0) == []
        assert late.timer_fired() == late.checkpoint_written() == late.checkpoint_failed() == late.start() == []
        assert late.acknowledge(0, []) == late.acknowledge_up_to(0, Entry(0, "", wanted=True)) == []
        assert late.close() == late.lose() == []

    @invariant()
    def memory_is_bounded(self) -> None:
        assert self.machine.waiting + self.machine.unacknowledged < self.limits.window + self.limits.page
        assert self.machine.unacknowledged == sum(len(events) for events in self.in_flight.values())
        assert self.machine.consumers == len(self.in_flight)

    @invariant()
    def the_phase_tells_what_it_waits_for(self) -> None:
        assert self.machine.checkpoint <= self.machine.floor
        match self.machine.phase:
            case "idle":
                assert not self.in_flight
            case "live":
                assert self.reading is None
                assert self.machine.waiting == 0
            case "catching up":
                assert self.reading is not None
            case "full":
                assert any(self.in_flight.values())

    def do_everything(self) -> None:
        """What the machine waits for happens."""
        self.read_on()
        for consumer, events in self.in_flight.items():
            if events:
                self.mark(consumer, given := list(events))
                self.obey(self.machine.acknowledge(consumer, given))
        if self.writing is not None:
            self.written()
        if self.timer:
            self.time_passes()

    def teardown(self) -> None:
        """From wherever it is: who keeps doing what the machine wants gets everything."""
        if not hasattr(self, "machine"):
            return
        self.join()
        for _ in range(10 * len(self.log) + 20):
            self.do_everything()
        assert {entry.place for entry in self.log if entry.wanted} <= self.acknowledged
        assert self.machine.phase == "live"
        assert self.machine.floor == self.durable == len(self.log)


@pytest.mark.row("BS-13", "ES-12", "ES-14", "ES-15", "ES-16", "ES-19", "BG-01")
class TestSchedule(Schedule.TestCase):  # type: ignore[misc, valid-type]  # hypothesis makes it
    settings = settings(max_examples=150, stateful_step_count=60, deadline=None)


@pytest.mark.soak
@pytest.mark.timeout(3_600)
class TestManySchedules(Schedule.TestCase):  # type: ignore[misc, valid-type]  # hypothesis makes it
    settings = settings(max_examples=5_000, stateful_step_count=150, deadline=None)
