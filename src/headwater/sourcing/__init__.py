"""Event sourcing: state that is the sum of its events.

`messages`, `aggregate` and `decision_model` are what applications subclass, `decider` what they call, all of them pure;
`repository` folds a stream into an aggregate, and `timetravel` says where a fold ends.
"""
