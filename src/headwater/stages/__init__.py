"""Stages: producers and consumers of events in which the consumer sets the pace.

A consumer asks for a number of events; a producer gives no more than were asked for. `messages` states the protocol;
`demand`, `buffer`, `outlet` and `dispatchers` are pure; `producer`, `producer_consumer` and `consumer` are what
applications subclass.

**Delivery is at most once.** What a stage holds is in its memory: when it ends, events that it was handling, that wait
in its mailbox, or that lie in its buffer are gone. (A producer that ends, in whatever way, reports how many it took
along.) Whoever needs more acknowledges events to a source that can give them again.
"""
