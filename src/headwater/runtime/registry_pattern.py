"""Patterns that values are matched against. Pure.

- `...` matches anything.
- A class matches its instances.
- Any other function or callable is asked: `lambda value: value > 3`.
- A tuple matches a tuple of the same length whose parts match; a dictionary one that has at least its keys, with
  values that match.
- Anything else matches what equals it.
"""

from __future__ import annotations

from collections.abc import Mapping


def matches(pattern: object, value: object) -> bool:
    """Whether the value is as the pattern says."""
    if pattern is ...:
        return True
    if isinstance(pattern, type):
        return isinstance(value, pattern)
    if callable(pattern):
        return bool(pattern(value))
    if isinstance(pattern, tuple):
        return isinstance(value, tuple) and _match_tuple(pattern, value)
    if isinstance(pattern, Mapping):
        return isinstance(value, Mapping) and _match_mapping(pattern, value)
    return bool(pattern == value)


def _match_tuple(pattern: tuple[object, ...], value: tuple[object, ...]) -> bool:
    return len(pattern) == len(value) and all(map(matches, pattern, value))


def _match_mapping(pattern: Mapping[object, object], value: Mapping[object, object]) -> bool:
    return all(key in value and matches(part, value[key]) for key, part in pattern.items())
