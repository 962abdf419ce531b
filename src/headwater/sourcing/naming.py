"""Names of streams from names of classes. Pure."""

from __future__ import annotations

import re


def kebab(name: str) -> str:
    """`OrderBook` as `order-book`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()
