"""Schemas of events: what a class's JSON looks like, a lock file of that, and whether old JSON stays readable.

Pure, but for reading and writing the lock file.
"""
