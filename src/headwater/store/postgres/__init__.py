"""The event store in one schema of a PostgreSQL database: any number of processes write and read the same log.

`adapter` is what the facade uses. Below it, `address` takes URLs apart, `connection` sets connections up, `schema`
knows the tables and their migrations; `writer` is the queue and the one task that empties it, `transactions` the
connection that it writes through, `draft` the rows of what it is about to write, `catalogue` what it knows of
streams and types; `readers` are the connections that pages are read through, `selecting` and `page` their queries,
and `bell` tells other processes of new events and hears of theirs.

**Why positions have no gaps.** The table `head` has one row: the last position, the last hash, how many streams
there are, and a revision, which rises by one with everything that is written. Whoever writes updates that row in
the same transaction, and so holds its lock until the commit: transactions end in the order of their positions.

**Why an append usually takes a single statement.** As long as nobody else writes, the writer knows what the row
says. It checks everything against what it knows, and sends one statement that adds the rows *if the revision is
still the one that it knew*: one round trip, one commit. If another process was faster, nothing is added, and the
group is checked again in a transaction that locks the row first; and so are the next ones, until the other process
is silent. After a lost connection the same revision tells what became of the statement: it is raised, so that the
statement, should it still be under way, can never take effect afterwards; then the log tells whether it did before.

**What is done while a statement is under way.** When many appends wait, the next group is drafted upon the one that
was sent, as if that were committed; if it isn't, the draft is dropped, and the group is checked anew.
"""
