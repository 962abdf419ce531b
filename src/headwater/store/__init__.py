"""The event store: an append-only log with gapless positions, durable before it answers.

`store` is the facade that everybody uses, put together from `appending`, `reader`, `following` and `streams` upon
`base`. Through it go the values of `model`, `query`, `page` and `stream`; `reading` gives them page by page, `encoding`
and `decoding` lie between typed events and stored ones, `verification` goes over a whole log. `vault`
keeps personal fields unreadable for whoever hasn't got their keys: `sealing` is the way in, `envelope` what stands in
their place, `cipher` and `master_key` are for the keys, which lie where `key_adapter` says. `adapter` is the protocol
that a backend fulfils: `memory`, and `sqlite` for one process that writes a file. `expectation`, `repetition`, `naming`
and `chain` are rules that all backends share.
"""
