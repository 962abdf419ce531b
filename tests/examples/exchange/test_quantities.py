from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.examples.exchange.quantities import format_quantity, parse_quantity


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=10**30), st.integers(min_value=0, max_value=8))
def test_what_is_formatted_is_parsed_back(value: int, decimals: int) -> None:
    assert parse_quantity(format_quantity(value, decimals), decimals) == value


@settings(deadline=None)
@given(st.integers(), st.integers(min_value=0, max_value=8))
def test_formats_the_exact_value(value: int, decimals: int) -> None:
    text = format_quantity(value, decimals)
    assert Fraction(text) == Fraction(value, 10**decimals)
    assert len(text.partition(".")[2]) == decimals


@settings(deadline=None)
@given(st.decimals(min_value=0, max_value=10**9, allow_nan=False, allow_infinity=False, places=8))
def test_parses_the_exact_value_in_either_notation(value: Decimal) -> None:
    expected = int(value.scaleb(8))
    assert parse_quantity(f"{value:f}", 8) == expected
    # Python's floats print small numbers so; the text is read, never the float.
    assert parse_quantity(f"{expected}e-8", 8, scientific=True) == expected


@pytest.mark.parametrize(
    ("text", "decimals", "expected"),
    [
        ("0", 0, 0),
        ("78319.0", 2, 7_831_900),
        ("78319.0", 0, 78_319),
        ("0.075", 8, 7_500_000),
        ("00012.5", 1, 125),
        ("1.2300000000", 2, 123),
    ],
)
def test_parses(text: str, decimals: int, expected: int) -> None:
    assert parse_quantity(text, decimals) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("1e-08", 1), ("9.61e-06", 961), ("7.338e-05", 7338), ("1.5e2", 15_000_000_000)]
)
def test_parses_scientific_notation_when_asked(text: str, expected: int) -> None:
    assert parse_quantity(text, 8, scientific=True) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty"),
        ("-1", "sign"),
        ("+1", "sign"),
        ("1e-05", "exponent"),
        ("1E5", "exponent"),
        ("abc", "not a number"),
        ("nan", "not a number"),
        ("inf", "not a number"),
        ("1.", "not a number"),
        (".5", "not a number"),
        ("1.2.3", "not a number"),
        ("1,5", "not a number"),
        ("1_000", "not a number"),
        (" 1", "not a number"),
        ("1\n", "not a number"),
        ("٣", "not a number"),
        ("1.234", "more than 2 decimals"),
        ("9" * 41, "longer than 40"),
    ],
)
def test_refuses_with_the_text_and_what_was_expected(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as caught:
        parse_quantity(text, 2)
    assert repr(text[:40])[:-1] in str(caught.value)
    assert "2 decimals" in str(caught.value)


@pytest.mark.parametrize("text", ["1e-09", "1e999999999", "1e", "e5", "-1e-05", "1e-0.5"])
def test_scientific_notation_is_strict_too(text: str) -> None:
    with pytest.raises(ValueError, match="decimals"):
        parse_quantity(text, 8, scientific=True)
