"""The root: puts the parts of an application together; the only package that knows all of them.

`application` is the facade, put together from `writing`, `reading`, `reacting`, `handling` and `remembering`, which
stand on `base`. `parts` makes the parts fit each other, `run` is what there is only while the application runs.
"""

from headwater.app.application import Application
from headwater.app.base import DISPATCH_TIMEOUT

__all__ = ["DISPATCH_TIMEOUT", "Application"]
