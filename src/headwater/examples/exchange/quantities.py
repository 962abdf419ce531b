"""Prices and volumes as scaled integers, so that no amount of money is ever rounded.

A quantity with ``decimals`` places is kept as an integer of its smallest unit: 78,319.50 at two decimals is
7831950. Text is read and written exactly; what cannot be kept exactly is refused.
"""

import re

PRICE_DECIMALS = 2
"""Prices are kept in cents."""

VOLUME_DECIMALS = 8
"""Volumes are kept in satoshi, the smallest unit of a bitcoin."""

# No quantity of a market has more characters; the bound keeps hostile text from costing time.
_LONGEST = 40
_PLAIN = re.compile(r"([0-9]+)(?:\.([0-9]+))?")
# Two digits of exponent at most: "1e999999999" would otherwise ask for a gigabyte of zeros.
_SCIENTIFIC = re.compile(r"([0-9]+)(?:\.([0-9]+))?e([+-]?[0-9]{1,2})")


def parse_quantity(text: str, decimals: int, *, scientific: bool = False) -> int:
    """Read decimal text exactly.

    Args:
        text: Digits with an optional fraction, for example ``"0.075"``.
        decimals: How many places the quantity is kept at.
        scientific: Also take an exponent, as in ``"1e-05"``. Some recorders write small numbers so.

    Returns:
        The quantity in its smallest unit, never negative.

    Raises:
        ValueError: The text is empty, is not a number, carries a sign, an exponent (unless ``scientific``)
            or more places than are kept. Zeros at the end of a fraction are places like any other digit,
            except that those beyond ``decimals`` are refused only if they are not zeros.
    """
    whole, fraction, exponent = _parts(text, decimals, scientific=scientific)
    digits = whole + fraction
    places = len(fraction) - exponent
    surplus = places - decimals
    scale: int = 10 ** abs(surplus)
    if surplus <= 0:
        return int(digits) * scale
    value, rest = divmod(int(digits), scale)
    if rest:
        raise ValueError(f"{text!r} has more than {decimals} decimals")
    return value


def format_quantity(value: int, decimals: int) -> str:
    """Write a scaled integer as decimal text with exactly ``decimals`` places.

    ``parse_quantity(format_quantity(value, decimals), decimals) == value`` for every value that is not negative.
    """
    if not decimals:
        return str(value)
    whole, fraction = divmod(abs(value), 10**decimals)
    sign = "-" if value < 0 else ""
    return f"{sign}{whole}.{fraction:0{decimals}d}"


def _parts(text: str, decimals: int, *, scientific: bool) -> tuple[str, str, int]:
    if len(text) <= _LONGEST:
        if plain := _PLAIN.fullmatch(text):
            return plain[1], plain[2] or "", 0
        if scientific and (small := _SCIENTIFIC.fullmatch(text)):
            return small[1], small[2] or "", int(small[3])
    raise ValueError(f"{_shortened(text)} is not a quantity: {_complaint(text, decimals)}")


def _complaint(text: str, decimals: int) -> str:
    expected = f"expected digits with at most {decimals} decimals"
    if not text:
        return f"it is empty, {expected}"
    if len(text) > _LONGEST:
        return f"it is longer than {_LONGEST} characters, {expected}"
    if text[0] in "+-":
        return f"it carries a sign, {expected}"
    if _SCIENTIFIC.fullmatch(text.lower()):
        return f"it carries an exponent, {expected}"
    return f"it is not a number, {expected}"


def _shortened(text: str) -> str:
    return repr(text if len(text) <= _LONGEST else text[:_LONGEST] + "…")
