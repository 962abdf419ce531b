"""Commands on one side, views and queries on the other.

Write side: `router` finds the aggregate of a command, `aggregate_process` decides its commands one at a time,
`dispatch` brings the two together. Read side: `query` and `projection` are what applications subclass,
`view_process` follows the log and answers.
"""
