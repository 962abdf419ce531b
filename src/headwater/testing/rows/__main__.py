"""Runs the command: `python -m headwater.testing.rows`."""

import sys

from headwater.testing.rows.command import main

if __name__ == "__main__":
    sys.exit(main())
