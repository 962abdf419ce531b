"""The library that speaks with PostgreSQL. It comes with an extra."""

from __future__ import annotations

from headwater.errors import MissingExtra

try:
    import asyncpg
except ImportError as missing:
    raise MissingExtra("asyncpg isn't installed: pip install 'headwater[postgres]'") from missing

__all__ = ["asyncpg"]
