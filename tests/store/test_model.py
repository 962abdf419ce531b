"""Random appends with random expectations, beside a model that is a dictionary."""

import asyncio
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.errors import PipelineBroken, WrongExpectedVersion
from headwater.store.adapter import Append
from headwater.store.model import Appended, Expected, ExpectedVersion
from headwater.store.sqlite import writer

from .driving import Deposited, check_log, opened, outcomes, scenario


@dataclass(frozen=True)
class Step:
    """An append; `follows` tells how many appends before this one the one lies which it was decided upon."""

    stream: str
    count: int
    expected: ExpectedVersion
    follows: int
    pause: bool
    reopen: bool


class Model:
    """What the log must do, in a few lines."""

    def __init__(self) -> None:
        self.versions: dict[str, int] = {}
        self.head = 0
        self.failed: list[bool] = []

    def append(self, step: Step) -> type[Exception] | tuple[int, int]:
        outcome = self._outcome(step)
        self.failed.append(not isinstance(outcome, tuple))
        return outcome

    def _outcome(self, step: Step) -> type[Exception] | tuple[int, int]:
        version = self.versions.get(step.stream, 0)
        if 0 < step.follows <= len(self.failed) and self.failed[-step.follows]:
            return PipelineBroken
        fits = {Expected.ANY: True, Expected.NO_STREAM: version == 0, Expected.EXISTS: version > 0}
        if not (fits[step.expected] if isinstance(step.expected, Expected) else step.expected == version):
            return WrongExpectedVersion
        self.versions[step.stream] = version + step.count
        self.head += step.count
        return self.versions[step.stream], self.head


STEPS = st.lists(
    st.builds(
        Step,
        stream=st.sampled_from(["a", "b", "c", "d"]),
        count=st.integers(1, 4),
        expected=st.sampled_from(Expected) | st.integers(0, 12),
        follows=st.integers(0, 3),
        pause=st.booleans(),
        reopen=st.integers(0, 19).map(lambda n: n == 0),
    ),
    max_size=60,
)


@settings(max_examples=100, deadline=None)
@given(steps=STEPS, remembered=st.sampled_from([1, 2, 100_000]))
def test_the_store_does_what_the_model_does(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Step], remembered: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "_REMEMBERED_STREAMS", remembered)  # so that it forgets some, and looks them up again
        _compare(tmp_path_factory, steps)


def _compare(tmp_path_factory: pytest.TempPathFactory, steps: list[Step]) -> None:
    @scenario
    async def run() -> None:
        directory = tmp_path_factory.mktemp("model")
        store = await opened(directory)
        model = Model()
        wanted = [model.append(step) for step in steps]
        appends: list[Append] = []
        for step in steps:
            if step.reopen:
                await store.close()
                store = await opened(directory)
            follows = appends[-step.follows] if 0 < step.follows <= len(appends) else None
            events = [Deposited(n) for n in range(step.count)]
            appends.append(store.submit(step.stream, events, expected=step.expected, follows=follows))
            if step.pause:
                await asyncio.wait([appends[-1].answer])
        found = await outcomes(appends)
        assert [
            (int(outcome.version), int(outcome.position)) if isinstance(outcome, Appended) else type(outcome)
            for outcome in found
        ] == wanted
        assert await check_log(store) == model.head
        assert {info.name: info.version async for info in store.streams()} == model.versions
        await store.close()

    run()
