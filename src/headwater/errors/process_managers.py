"""Process managers and timers."""

from __future__ import annotations

from headwater.errors.application import ApplicationError


class InstanceAlreadyStarted(ApplicationError):
    """An event would start an instance of a process manager that runs already, and its method is strict."""


class InstanceNotStarted(ApplicationError):
    """An event is for an instance of a process manager that doesn't run, and its method is strict."""


class UnknownProcessManager(ApplicationError):
    """The application has no such process manager."""


class UnknownTimer(ApplicationError):
    """No timer of this id was ever scheduled."""


class TimerIdTaken(ApplicationError):
    """A timer of this id was scheduled for something else. Nothing was scheduled."""
