"""Tools for the tests of programs that use Headwater. Nothing that runs in production imports them."""

from headwater.testing.scenario.given import given

__all__ = ["given"]
