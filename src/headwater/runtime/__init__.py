"""Processes that own their state and reach each other by message, and supervisors that restart them.

One event loop runs a whole node, one turn at a time per process. `system` is the door; `genserver` and
`supervisor` are what applications subclass; `process` is the machinery below both; `mailbox` and `restart` are
pure.
"""
