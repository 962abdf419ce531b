"""What an application says of its work, to whoever listens."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable

import pytest

from headwater import Application, Rejected
from headwater.telemetry import SpanEvent, SpanName
from tests.bank import Account, Deposit, Withdraw
from tests.cqrs.courses import Enrol, Enrolment, Noted, Open


class Listener:
    """Notes the spans below one name."""

    def __init__(self) -> None:
        self.heard: list[SpanEvent] = []

    def said(self) -> list[tuple[str, str, object, object]]:
        """What has ended: its last name, how, the stream, and how many events there were."""
        return [
            (one.name[-1], one.phase, one.metadata["stream"], one.metadata.get("events"))
            for one in self.heard
            if one.phase != "start" and "stream" in one.metadata
        ]

    def check_pairs(self) -> None:
        """Each start has an end, which takes no less than no time."""
        open_spans: dict[Hashable, SpanEvent] = {}
        for event in self.heard:
            if event.phase == "start":
                open_spans[event.span] = event
            else:
                started = open_spans.pop(event.span)
                assert started.name == event.name
                assert started.metadata.items() <= event.metadata.items()
                assert event.duration >= 0
        assert not open_spans


@pytest.mark.row("CM-35")
def test_each_step_of_a_command_is_a_span() -> None:
    listener = Listener()

    async def main() -> None:
        application = Application("all", store="memory://", aggregates=[Account], models=[Enrolment], events=[Noted])
        application.telemetry.attach(SpanName("headwater", "cqrs", "dispatch"), listener.heard.append)
        application.telemetry.attach(SpanName("headwater", "aggregate"), listener.heard.append)
        application.telemetry.attach(SpanName("headwater", "store", "append"), listener.heard.append)
        async with application:
            await application.dispatch(Deposit("a", 2))
            with pytest.raises(Rejected):
                await application.dispatch(Withdraw("a", 3))
            await application.store.append("account-a", [Noted("in between")])
            await application.dispatch(Withdraw("a", 1))
            await application.dispatch(Open("c", 1))
            await application.dispatch(Enrol("c", "ann"))

    asyncio.run(main())
    listener.check_pairs()
    a = "account-a"
    assert listener.said() == [
        *(("populate", "stop", a, None), ("execute", "stop", a, 1), ("append", "stop", a, 1)),
        ("dispatch", "stop", a, 1),
        ("execute", "exception", a, None),
        ("append", "stop", a, 1),
        *(("execute", "stop", a, 1), ("append", "exception", a, 1)),
        *(("populate", "stop", a, None), ("execute", "stop", a, 1), ("append", "stop", a, 1)),
        ("dispatch", "stop", a, 1),
        *(("populate", "stop", "enrolment", None), ("execute", "stop", "enrolment", 2), ("append", "stop", "notes", 2)),
        ("dispatch", "stop", "enrolment", 2),
        *(("populate", "stop", "enrolment", None), ("execute", "stop", "enrolment", 1)),
        *(("append", "stop", "enrolment", 1), ("dispatch", "stop", "enrolment", 1)),
    ]
    last = listener.heard[-1].metadata
    assert (last["command"], last["position"]) == ("Enrol", 6)
