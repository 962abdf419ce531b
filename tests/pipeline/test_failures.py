"""Messages that fail: retries, dead letters, and what others notice of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping, Sequence

import pytest

from headwater import (
    Backoff,
    Batcher,
    BatchInfo,
    DeadLetter,
    MemoryDeadLetters,
    Message,
    Pipeline,
    Processors,
    Retry,
    System,
)
from headwater.errors import InvalidPipeline, UnknownBatcher
from headwater.pipeline.dead_letters import DeadLetters
from headwater.testing.pipelines import ManualSource, Outcome
from headwater.testing.simulation import simulate

EXACT = Backoff(1.0, 100.0, factor=10.0, jitter=0.0)


class Failing(Pipeline[str]):
    """Texts `key:number`. Notes what it handles and when; some of it raises."""

    processors = Processors(concurrency=2, max_demand=10)
    retry = Retry(attempts=3, backoff=EXACT)

    def __init__(
        self,
        source: ManualSource[str],
        system: System,
        fails: Callable[[Message[str]], bool],
        dead_letters: DeadLetters | None = None,
    ) -> None:
        super().__init__(source, dead_letters=dead_letters)
        self.system = system
        self.fails = fails
        self.tried: list[tuple[str, int, float]] = []
        self.failed: list[str] = []

    def partition_by(self, data: str) -> Hashable:
        if data == "bad key":
            raise LookupError(data)
        return data.split(":")[0] or None

    def handle_message(self, message: Message[str]) -> None:
        self.tried.append((message.data, message.attempt, round(self.system.clock.monotonic(), 3)))
        fails = self.fails(message)
        message.data = "changed"
        if fails:
            raise ValueError("no")

    def handle_failed(self, messages: list[Message[str]]) -> None:
        self.failed += [message.delivery.item for message in messages]


@pytest.mark.row("BG-02")
@pytest.mark.row("BW-07")
def test_a_message_that_fails_is_tried_again_as_it_was_with_growing_waits_and_then_parked() -> None:
    async def scenario(system: System) -> None:
        source: ManualSource[str] = ManualSource()
        letters = MemoryDeadLetters()
        pipeline = Failing(source, system, lambda message: message.data == ":bad", letters)
        await pipeline.start(system)
        assert await source.outcome(source.push([":bad"])) == Outcome([], [":bad"])
        assert pipeline.tried == [(":bad", 1, 0.0), (":bad", 2, 1.0), (":bad", 3, 11.0)]
        assert pipeline.failed == [":bad"]
        [letter] = letters.letters()
        assert (letter.pipeline, letter.item, letter.data, letter.attempts) == ("Failing", ":bad", "changed", 3)
        assert isinstance(letter.reason, ValueError)
        assert letter.batcher is None
        assert letter.at == system.clock.wall()
        assert source.unacknowledged == []

    simulate(scenario)


@pytest.mark.row("BG-02")
@pytest.mark.row("BW-08")
def test_while_a_message_waits_for_its_retry_its_key_waits_in_order_and_others_go_on() -> None:
    async def scenario(system: System) -> None:
        source: ManualSource[str] = ManualSource()
        pipeline = Failing(source, system, lambda message: message.data == "a:0" and message.attempt < 3)
        await pipeline.start(system)
        push = source.push(["a:0", "b:0", "a:1", "b:1", ":x"])
        later = source.push(["a:2", "b:2"])
        assert (await source.outcome(push)).failed == []
        await source.outcome(later)
        at_once = {text for text, _, at in pipeline.tried if at == 0.0}
        assert at_once == {"a:0", "b:0", "b:1", "b:2", ":x"}
        of_a = [(text, attempt, at) for text, attempt, at in pipeline.tried if text.startswith("a")]
        assert of_a == [("a:0", 1, 0.0), ("a:0", 2, 1.0), ("a:0", 3, 11.0), ("a:1", 1, 11.0), ("a:2", 1, 11.0)]

    simulate(scenario)


@pytest.mark.row("BW-07")
def test_a_message_that_was_parked_does_not_stop_its_key() -> None:
    async def scenario(system: System) -> None:
        source: ManualSource[str] = ManualSource()
        pipeline = Failing(source, system, lambda message: message.data == "a:0")
        await pipeline.start(system)
        outcome = await source.outcome(source.push(["a:0", "a:1"]))
        assert outcome == Outcome(["a:1"], ["a:0"])

    simulate(scenario)


@pytest.mark.row("BW-07")
def test_a_message_can_be_failed_without_retry_and_one_whose_key_cannot_be_told_is_parked() -> None:
    class Strict(Failing):
        def handle_message(self, message: Message[str]) -> None:
            message.fail("not today", retry=False)

    async def scenario(system: System) -> None:
        source: ManualSource[str] = ManualSource()
        letters = MemoryDeadLetters()
        pipeline = Strict(source, system, bool, letters)
        await pipeline.start(system)
        assert (await source.outcome(source.push(["a:0", "bad key"]))).successful == []
        reasons = {letter.item: letter.reason for letter in letters.letters()}
        assert reasons["a:0"] == "not today"
        assert isinstance(reasons["bad key"], LookupError)
        assert system.clock.monotonic() == 0.0

    simulate(scenario)


class Rows(Pipeline[str]):
    """Batches; some of it raises."""

    processors = Processors(concurrency=1)
    batchers: Mapping[str, Batcher] = {"rows": Batcher(size=3, timeout=0.5), "more": Batcher()}
    retry = Retry(attempts=2, backoff=EXACT)

    def __init__(self, source: ManualSource[str], letters: MemoryDeadLetters, mode: str) -> None:
        super().__init__(source, dead_letters=letters)
        self.mode = mode
        self.batches: list[tuple[str, list[str], list[int]]] = []
        self.handled: list[str] = []

    def partition_by(self, data: str) -> Hashable:
        return data[0]

    def handle_message(self, message: Message[str]) -> None:
        message.batcher = "nowhere" if message.data == "lost" else "rows"
        self.handled.append(message.data)

    def handle_batch(self, messages: list[Message[str]], batch: BatchInfo) -> None:
        self.batches.append((batch.trigger, [one.data for one in messages], [one.attempt for one in messages]))
        if self.mode == "raise" and any(message.data == "a0" for message in messages):
            raise ValueError("no")
        for message in messages:
            if self.mode == "fail" and message.data == "a0" and message.attempt == 1:
                message.fail("once")


@pytest.mark.row("BG-02")
@pytest.mark.row("BW-07")
def test_a_batch_that_raises_fails_for_all_its_messages_which_are_tried_again_together_and_then_parked() -> None:
    async def scenario(system: System) -> None:
        source: ManualSource[str] = ManualSource()
        letters = MemoryDeadLetters()
        pipeline = Rows(source, letters, "raise")
        await pipeline.start(system)
        push = source.push(["a0", "b0", "c0", "d0", "a1", "e0"])
        outcome = await source.outcome(push)
        assert sorted(outcome.failed) == ["a0", "b0", "c0"]
        assert sorted(outcome.successful) == ["a1", "d0", "e0"]
        tried = [(trigger, texts) for trigger, texts, _ in pipeline.batches if "a0" in texts]
        assert [trigger for trigger, _ in tried] == ["size", "retry"]
        assert sorted(tried[1][1]) == ["a0", "b0", "c0"]
        order = [text for _, texts, _ in pipeline.batches for text in texts]
        assert order.index("d0") < len(order) - 1 - order[::-1].index("a0") < order.index("a1")
        assert sorted(pipeline.handled) == ["a0", "a1", "b0", "c0", "d0", "e0"]  # once each: batches alone are retried
        assert {letter.batcher for letter in letters.letters()} == {"rows"}

    for seed in range(5):
        simulate(scenario, seed=seed)


@pytest.mark.row("BW-07")
def test_single_messages_of_a_batch_can_fail_and_the_others_are_acknowledged() -> None:
    async def scenario(system: System) -> None:
        source: ManualSource[str] = ManualSource()
        pipeline = Rows(source, MemoryDeadLetters(), "fail")
        await pipeline.start(system)
        push = source.push(["a0", "b0", "c0"])
        assert sorted((await source.outcome(push)).successful) == ["a0", "b0", "c0"]
        assert pipeline.batches[1:] == [("retry", ["a0"], [2])]
        assert [outcome.successful for _, outcome in source.acknowledgements][-1] == ["a0"]

    simulate(scenario)


@pytest.mark.row("BW-04")
def test_a_message_for_an_unknown_batcher_is_parked_with_an_error_that_names_those_there_are() -> None:
    async def scenario(system: System) -> None:
        source: ManualSource[str] = ManualSource()
        letters = MemoryDeadLetters()
        await Rows(source, letters, "").start(system)
        assert await source.test_message("lost") == Outcome([], ["lost"])
        [letter] = letters.letters()
        assert isinstance(letter.reason, UnknownBatcher)
        assert "'nowhere'" in str(letter.reason)
        assert "'rows'" in str(letter.reason)

    simulate(scenario)


class Fragile:
    """Dead letters that can't be parked so many times."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.parked: list[object] = []

    async def park(self, letters: Sequence[DeadLetter]) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("disk full")
        self.parked += [letter.item for letter in letters]


def test_a_message_with_a_batch_key_that_is_none_is_parked() -> None:
    class Unhashable(Rows):
        def handle_message(self, message: Message[str]) -> None:
            message.batcher = "rows"
            message.batch_key = [message.data] if message.data == "bad" else None  # type: ignore[assignment]

    async def scenario(system: System) -> None:
        source: ManualSource[str] = ManualSource()
        letters = MemoryDeadLetters()
        await Unhashable(source, letters, "").start(system)
        outcome = await source.test_batch(["bad", "good"])
        assert outcome == Outcome(["good"], ["bad"])
        assert isinstance(letters.letters()[0].reason, TypeError)

    simulate(scenario)


@pytest.mark.row("BG-02")
@pytest.mark.parametrize(("failures", "tries"), [(2, 1), (4, 2)])
def test_dead_letters_that_cannot_be_parked_are_not_acknowledged_but_tried_again(failures: int, tries: int) -> None:
    class Once(Failing):
        retry = Retry(attempts=3, backoff=EXACT)

        def handle_message(self, message: Message[str]) -> None:
            self.tried.append((message.data, message.attempt, 0.0))
            message.fail("no", retry=False)

    async def scenario(system: System) -> None:
        source: ManualSource[str] = ManualSource()
        fragile = Fragile(failures)
        pipeline = Once(source, system, bool, fragile)
        await pipeline.start(system)
        assert await source.outcome(source.push([":x"])) == Outcome([], [":x"])
        assert len(pipeline.tried) == tries  # after three vain tries to park it the processor has crashed
        assert fragile.parked == [":x"]

    simulate(scenario)


@pytest.mark.row("BW-07")
def test_handle_failed_may_raise(caplog: pytest.LogCaptureFixture) -> None:
    class Careless(Failing):
        async def handle_failed(self, messages: list[Message[str]]) -> None:  # type: ignore[override]
            raise KeyError("oops")

    async def scenario(system: System) -> None:
        source: ManualSource[str] = ManualSource()
        await Careless(source, system, lambda _: True).start(system)
        assert await source.outcome(source.push([":x"])) == Outcome([], [":x"])

    with caplog.at_level(logging.ERROR, "headwater.pipeline"):
        simulate(scenario)
    assert "handle_failed of Careless raised" in caplog.text


def test_dead_letters_in_memory_keep_the_newest_and_count_what_they_drop(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(system: System) -> None:
        source: ManualSource[str] = ManualSource()
        letters = MemoryDeadLetters(limit=2)
        await Failing(source, system, lambda _: True, letters).start(system)
        for text in (":1", ":2", ":3"):
            await source.outcome(source.push([text]))
        assert [letter.item for letter in letters.letters()] == [":2", ":3"]
        assert letters.dropped == 1

    simulate(scenario)
    assert "1 dead letters were dropped" in caplog.text
    with pytest.raises(InvalidPipeline):
        MemoryDeadLetters(0)
