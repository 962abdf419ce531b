"""Tools for the tests of programs that use Headwater. Nothing that runs in production imports them."""

from headwater.testing.applications import (
    assert_correlated,
    refute_event,
    running,
    settled,
    wait_for_answer,
    wait_for_event,
)
from headwater.testing.clock import VirtualClock
from headwater.testing.scenario.given import given

__all__ = [
    "VirtualClock",
    "assert_correlated",
    "given",
    "refute_event",
    "running",
    "settled",
    "wait_for_answer",
    "wait_for_event",
]
