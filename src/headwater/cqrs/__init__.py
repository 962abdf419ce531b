"""Commands on one side, views and queries on the other.

Write side: `router` finds the aggregate of a command, `live_aggregates` starts and ends processes, `aggregate_process`
decides one aggregate's commands one at a time, `model_decisions` those about several entities, `dispatch` brings them
together. Read side: `query` and `projection` are what applications subclass,
`view_process` follows the log and answers. Side effects: `event_handler` is what applications subclass,
`handler_pipeline` gives it events and does what becomes of its errors, `handler_process` runs that pipeline,
`dead_letter_box` keeps what could not be handled, `handlers` finds and resets them.

What happens by itself: `process_manager` is what applications subclass, `manager_step` what is stored of it,
`manager_instance` the process of one instance, `manager_process` reads the log for all of one kind; `scheduling` and
`timers` are commands for later; `reactions` puts them together.
"""
