"""Given, when, then: tests of what is pure in an application, without a store and without an event loop.

`given` begins one; `difference` tells how two values differ; `deciding` is about aggregates and decision models,
`projecting` about projections, `reacting` about process managers.
"""
