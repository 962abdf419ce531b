"""The event store in one SQLite file: one writing process, any number of reading ones, nothing to operate.

`adapter` is what the facade uses, `files` all that it keeps open. Below them, `file` knows what a path holds before
SQLite touches it, `schema` the tables and their migrations, `lock` who may write, `connection` how a connection is
set up; `writer` is the one thread that commits, `draft` the transaction that it is about to write, `catalogue` what
it knows of streams and types, `room` what its commits needn't wait for; `reader` reads pages on threads of its own,
`page` has their queries, `columns` their form, `names` what the numbers in them stand for; `watch` wakes those who
wait for events, and `courtesy` lets the threads get on while the event loop is busy.

**Why whole groups and whole pages pass through SQLite in single statements.** Python lets go of its global lock
at each step of a statement and must win it back afterwards. While the event loop is busy that takes up to five
milliseconds a step: a thread that steps row by row would write or read a few hundred rows a second. A group is
therefore inserted by a handful of many-row statements, and a page comes back as one row.
"""
