import gzip
from itertools import islice
from pathlib import Path

import pytest

from headwater.errors import HeadwaterError
from headwater.examples.exchange.recording import MalformedRow, NotARecording, OrderRow, RecordedTrade, Recording

from .recordings import ORDERS_HEADER, TRADES_HEADER, write_recording

GOOD = "2002347649454080,1777689381332,1777689381262,78319.0,0.075,created,bid"
OTHER = "2002347649454081,1777689381333,1777689381263,78320.5,1e-08,deleted,ask"
TRADE = "568694537,1777689383889,1777689383817,78319.0,0.121,2002347659919360,2002347637526531,buy"

# A field, what stands there, and where.
MALFORMED_ORDERS = [
    ("id", "", 0),
    ("id", "12a", 0),
    ("id", "-12", 0),
    ("id", "1_2", 0),
    ("id", " 12", 0),
    ("id", "1" * 19, 0),
    ("timestamp", "1777689381332.5", 1),
    ("timestamp", "", 1),
    ("exchange_timestamp", "yesterday", 2),
    ("price", "", 3),
    ("price", "-1.0", 3),
    ("price", "1e5", 3),
    ("price", "78319.001", 3),
    ("price", "nan", 3),
    ("price", "9" * 17, 3),
    ("volume", "", 4),
    ("volume", "-0.5", 4),
    ("volume", "0.000000001", 4),
    ("volume", "1e-09", 4),
    ("volume", "1e99", 4),
    ("action", "Created", 5),
    ("action", "", 5),
    ("direction", "buy", 6),
    ("direction", "", 6),
]
MALFORMED_TRADES = [
    ("trade_id", "x", 0),
    ("timestamp", "x", 1),
    ("exchange_timestamp", "x", 2),
    ("price", "x", 3),
    ("amount", "x", 4),
    ("buy_order_id", "x", 5),
    ("sell_order_id", "x", 6),
    ("side", "bid", 7),
]


def spoiled(row: str, index: int, value: str) -> str:
    texts = row.split(",")
    texts[index] = value
    return ",".join(texts)


@pytest.mark.parametrize("compressed", [False, True])
def test_reads_rows_exactly(tmp_path: Path, *, compressed: bool) -> None:
    recording = Recording(write_recording(tmp_path, [GOOD, OTHER], [TRADE], compressed=compressed))
    assert list(recording.orders()) == [
        OrderRow(1, 2002347649454080, 1777689381332, 1777689381262, 7_831_900, 7_500_000, "created", "buy"),
        OrderRow(2, 2002347649454081, 1777689381333, 1777689381263, 7_832_050, 1, "deleted", "sell"),
    ]
    assert list(recording.trades()) == [
        RecordedTrade(
            568694537,
            1777689383889,
            1777689383817,
            7_831_900,
            12_100_000,
            2002347659919360,
            2002347637526531,
            "buy",
        )
    ]


def test_lines_may_end_as_on_windows(tmp_path: Path) -> None:
    path = write_recording(tmp_path, [GOOD])
    path.write_bytes(f"{ORDERS_HEADER}\r\n{GOOD}\r\n".encode())
    assert [row.side for row in Recording(path).orders()] == ["buy"]


def test_a_recording_may_hold_nothing(tmp_path: Path) -> None:
    recording = Recording(write_recording(tmp_path, []))
    assert list(recording.orders()) == []
    assert list(recording.trades()) == []


@pytest.mark.parametrize(("field", "value", "index"), MALFORMED_ORDERS)
def test_a_malformed_order_names_its_field(tmp_path: Path, field: str, value: str, index: int) -> None:
    path = write_recording(tmp_path, [GOOD, spoiled(GOOD, index, value), OTHER])
    rows = Recording(path).orders()
    next(rows)
    with pytest.raises(MalformedRow, match=field) as caught:
        next(rows)
    error = caught.value
    assert (error.path, error.line, error.field, error.value) == (path, 3, field, value)
    assert error.expected in str(error)
    assert isinstance(error, HeadwaterError)


@pytest.mark.parametrize(("field", "value", "index"), MALFORMED_TRADES)
def test_a_malformed_trade_names_its_field(tmp_path: Path, field: str, value: str, index: int) -> None:
    path = write_recording(tmp_path, [], [spoiled(TRADE, index, value)])
    with pytest.raises(MalformedRow, match=field) as caught:
        list(Recording(path).trades())
    assert (caught.value.path.name, caught.value.line, caught.value.field) == ("small_trades.csv", 2, field)


@pytest.mark.parametrize("line", ["", ",", GOOD + ",", GOOD.removesuffix(",bid"), '"' + GOOD, "\x00\xff"])
def test_a_row_with_other_fields_is_malformed_and_costs_no_other_row(tmp_path: Path, line: str) -> None:
    skipped: list[MalformedRow] = []
    recording = Recording(write_recording(tmp_path, [GOOD, line, OTHER]))
    rows = list(recording.orders("skip", skipped.append))
    assert [row.number for row in rows] == [1, 3]
    assert [row.line for row in skipped] == [3]


def test_a_long_value_is_shortened_in_the_message_only(tmp_path: Path) -> None:
    path = write_recording(tmp_path, [spoiled(GOOD, 4, "9" * 5_000)])
    with pytest.raises(MalformedRow) as caught:
        list(Recording(path).orders())
    assert len(str(caught.value)) < len(str(path)) + 300
    assert len(caught.value.value) == 5_000


def test_skipping_goes_on_and_keeps_the_numbers(tmp_path: Path) -> None:
    skipped: list[MalformedRow] = []
    bad = spoiled(GOOD, 3, "much")
    recording = Recording(write_recording(tmp_path, [bad, GOOD, bad, OTHER], [TRADE, "x", TRADE]))
    assert [row.number for row in recording.orders("skip", skipped.append)] == [2, 4]
    assert len(list(recording.trades("skip", skipped.append))) == 2
    assert [(row.field, row.line) for row in skipped] == [("price", 2), ("price", 4), ("row", 3)]
    assert len(list(recording.orders("skip"))) == 2


def test_not_a_recording_without_its_files(tmp_path: Path) -> None:
    with pytest.raises(NotARecording, match="no such file"):
        Recording(tmp_path / "small_orders.csv")
    path = write_recording(tmp_path, [GOOD])
    (tmp_path / "small_trades.csv").unlink()
    with pytest.raises(NotARecording, match=r"small_trades\.csv is not a recording: there is no such file") as caught:
        Recording(path)
    assert caught.value.path == tmp_path / "small_trades.csv"
    assert isinstance(caught.value, HeadwaterError)


@pytest.mark.parametrize("name", ["orders.csv", "small_orders.txt", "small_trades.csv"])
def test_not_a_recording_by_its_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotARecording, match=r"does not end in _orders\.csv"):
        Recording(tmp_path / name)


def test_a_folder_is_not_a_recording(tmp_path: Path) -> None:
    (tmp_path / "small_orders.csv").mkdir()
    with pytest.raises(NotARecording, match="cannot be read"):
        Recording(tmp_path / "small_orders.csv")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (TRADES_HEADER.encode() + b"\n", "first line"),
        (ORDERS_HEADER.upper().encode() + b"\n", "first line"),
        (GOOD.encode() + b"\n", "first line"),
        (bytes(range(256)) * 40, "first line"),
        (b"x" * 1_000_000, "first line"),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_not_a_recording_by_its_content(tmp_path: Path, content: bytes, why: str, *, compressed: bool) -> None:
    path = write_recording(tmp_path, [], compressed=compressed)
    path.write_bytes(gzip.compress(content) if compressed else content)
    with pytest.raises(NotARecording, match=why):
        Recording(path)


def test_wrong_trades_are_not_a_recording(tmp_path: Path) -> None:
    path = write_recording(tmp_path, [GOOD])
    (tmp_path / "small_trades.csv").write_text(ORDERS_HEADER)
    with pytest.raises(NotARecording, match=r"small_trades\.csv"):
        Recording(path)


def test_plain_text_is_not_gzip(tmp_path: Path) -> None:
    path = write_recording(tmp_path, [], compressed=True)
    path.write_text(ORDERS_HEADER)
    with pytest.raises(NotARecording, match="not a gzip file"):
        Recording(path)


def many(count: int) -> list[str]:
    # Ids that hardly compress, so that the file is long enough to break in its middle.
    return [spoiled(GOOD, 0, str(pow(3, number, 10**16 + 61))) for number in range(count)]


def test_a_gzip_file_that_was_cut_off_gives_its_rows_and_then_says_so(tmp_path: Path) -> None:
    path = write_recording(tmp_path, many(20_000), compressed=True)
    path.write_bytes(path.read_bytes()[:-5_000])
    rows = Recording(path).orders("skip")
    assert len(list(islice(rows, 100))) == 100
    with pytest.raises(NotARecording, match="end too early"):
        list(rows)


def test_a_damaged_gzip_file_is_found_out(tmp_path: Path) -> None:
    path = write_recording(tmp_path, many(20_000), compressed=True)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = b"\xff" * 64
    path.write_bytes(content)
    with pytest.raises(NotARecording, match=r"damaged|not a gzip file"):
        list(Recording(path).orders("skip"))
