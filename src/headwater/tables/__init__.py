"""Tables: rows in memory, found by key, order or index; shared by processes, read by any thread.

`table`, `ordered` and `bag` are what applications use, `reader` what can be read of any of them. A table's handles
share a `content`: the rows (`rows`, `buckets`), what is kept in step with them (`order`, `index`, `bounds`,
`changes`, under `watch`), and what is known of the rows' class (`shape`). `match` and `query` find rows, `file` keeps
them, `owned` lets a table live and die with a process.
"""
