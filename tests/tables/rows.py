"""Rows for the tests of tables."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import msgspec


class Item(msgspec.Struct, frozen=True):
    key: int
    value: str
    count: int = 0


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: int


class Pair(NamedTuple):
    left: str
    right: int


class Open(msgspec.Struct, frozen=True):
    """Whose annotations promise nothing."""

    key: int
    value: object = None


class Order(msgspec.Struct, frozen=True):
    key: int
    instrument: str
    side: str
    price: int


def items(*keys: int, value: str = "v") -> list[Item]:
    return [Item(key, value) for key in keys]
