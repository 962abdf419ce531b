"""The event store: an append-only log with gapless positions, durable before it answers.

`store` is the facade that everybody uses, `model` the values that go through it, `adapter` the protocol that a
backend fulfils. `sqlite` is the backend of one process.
"""
