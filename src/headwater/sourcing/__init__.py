"""Event sourcing: state that is the sum of its events.

`messages` and `aggregate` are what applications subclass, and pure; `repository` folds a stream into an
aggregate, and `timetravel` says where a fold ends.
"""
