"""A command on its way from an input to the exchange."""

from typing import NamedTuple

from headwater.examples.exchange.messages import BookCommand


class FeedCommand(NamedTuple):
    """A command, and where it came from.

    Attributes:
        row: The number of the input row; 0 for the `OpenBook`, which is no row's.
        time: When it happened in the market, in milliseconds since 1970.
        command: The command.
    """

    row: int
    time: int
    command: BookCommand
