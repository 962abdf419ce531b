"""Moments as a user writes them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from headwater.cli.moment import NotAMoment, parse_moment
from headwater.sourcing.timetravel import Moment
from headwater.types import Position, Version


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("version:7", Version(7)),
        ("version:0", Version(0)),
        ("position:100", Position(100)),
        ("2026-05-02T02:40:00Z", datetime(2026, 5, 2, 2, 40, tzinfo=UTC)),
        ("2026-05-02 02:40", datetime(2026, 5, 2, 2, 40, tzinfo=UTC)),
        ("2026-05-02", datetime(2026, 5, 2, tzinfo=UTC)),
        ("2026-05-02T04:40:00.5+02:00", datetime(2026, 5, 2, 4, 40, 0, 500_000, timezone(timedelta(hours=2)))),
    ],
)
def test_a_moment_is_a_version_a_position_or_a_time(text: str, moment: Moment) -> None:
    found = parse_moment(text)
    assert (type(found), found) == (type(moment), moment)


@pytest.mark.parametrize(
    "text", ["", "7", "version:", "version:x", "version:-1", "position:1.5", "events:7", "2026-13-01", "version:²"]
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(NotAMoment, match="is no moment: write version:7, position:100, or a time such as 2026"):
        parse_moment(text)
