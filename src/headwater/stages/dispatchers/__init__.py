"""Dispatchers: which consumer of a producer gets which event."""
