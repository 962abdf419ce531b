"""Pipelines: messages of acknowledging sources, handled one by one and in batches, supervised, at least once.

`source`, `message` and `options` say what an application deals with, `pipeline` is what it subclasses. `watermark`,
`fair_queue`, `held`, `open_batches` and `rate` are pure. The stages are `source_stage`, `processor`, `batcher` and
`batch_processor`; `supervision` puts them together.

Nothing is lost, because every message stays with its source stage until it is acknowledged. When a stage behind it
dies, all stages behind the sources are started anew, and the source stages emit again what is theirs still. When a
source stage dies, its successor opens the source anew, which gives again what was not acknowledged; what the dead one
had emitted and nobody has handled yet is dropped.
"""
