"""Tables: rows in memory, found by key."""
