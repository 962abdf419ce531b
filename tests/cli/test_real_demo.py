"""The whole recording, end to end, as the README promises it."""

import re
from pathlib import Path

import pytest

from headwater.examples.exchange.sources import cache_folder
from tests.examples.exchange.recordings import REAL

from .driving import headwater, log

CACHED = cache_folder() / "bitstamp_btcusd_orders.csv.gz"

pytestmark = pytest.mark.skipif(
    not REAL.exists() and not CACHED.exists(),
    reason="the real recording is not on this machine: `headwater demo exchange` fetches it",
)

PROMISED_TRADES = 281


def test_half_an_hour_of_a_real_market(tmp_path: Path) -> None:
    done = headwater("demo", "exchange", "--input", REAL if REAL.exists() else CACHED, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [line.strip() for line in done.stdout.splitlines()]
    found = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in lines if re.search(r"\s{2,}", line))
    assert {name: found[name] for name in _EXPECTED} == _EXPECTED
    identical = int(found["identical"].split()[0])
    assert identical >= PROMISED_TRADES
    assert identical == 282
    assert sum(line.startswith("holds ") for line in lines) == 4
    assert "FAILED" not in done.stdout
    assert len(log(tmp_path / "exchange-demo.db")) == 106_201
    figures = [line for line in done.stderr.splitlines() if "commands/s" in line]
    assert figures
    assert max(map(len, figures)) <= 80


_EXPECTED = {
    "rows": "314,057",
    "left out: stale order": "2",
    "left out: funds order": "6",
    "left out: closing delete": "6,518",
    "answered": "307,532",
    "accepted": "105,919",
    "rejected: unknown order": "100,921",
    "rejected: would cross": "100,518",
    "rejected: nothing to reduce": "174",
    "best bid": "78350.00 (0.23815070 in 3 orders)",
    "best ask": "78351.00 (2.20347504 in 12 orders)",
    "resting orders": "6,516 (2,760 bids, 3,756 asks)",
    "recorded": "284",
    "made here": "282",
    "only recorded": "2",
    "only here": "0",
    "events": "106,201",
}
