"""Processes that own their state and reach each other by message, and supervisors that restart them.

One event loop runs a whole node, one turn at a time per process. From below: `mailbox`, `restart`, `backoff` and
`strategy` are pure; `process` is the machinery of one process, on `ties` (links and monitors), in the surroundings of
its `node`; `pid` is its address. `genserver` is what applications subclass; `supervisor`, `dynamic_supervisor` and
`partition_supervisor` keep processes alive; `task`, `agent`, `registry` and `offload` are built from them;
`introspect`, `process_info` and `tree` look at them; `system` is the door.
"""
