"""Headwater: real-time, event-driven systems for Python.

Everything that an application needs day by day can be imported from here; see the guide for where each part is
at home.
"""

from headwater.app import Application
from headwater.codec import Codec
from headwater.cqrs.aggregate_process import Committed
from headwater.cqrs.dispatch import Envelope, Outcome
from headwater.cqrs.projection import Projection, TableProjection, answer, project
from headwater.cqrs.query import Query
from headwater.errors import HeadwaterError, Rejected
from headwater.personal import Personal
from headwater.pubsub.broker import PubSub
from headwater.pubsub.buffer import Dropped
from headwater.pubsub.delivery import send_to_all
from headwater.pubsub.entry import Dispatcher, Entry, Subscriber
from headwater.pubsub.fastlane import Fastlane, fastlane
from headwater.pubsub.hub import Hub
from headwater.pubsub.subscription import Subscription
from headwater.runtime.agent import Agent
from headwater.runtime.backoff import Backoff
from headwater.runtime.child import Child
from headwater.runtime.down import Down, Exited
from headwater.runtime.dynamic_supervisor import DynamicSupervisor
from headwater.runtime.exits import Exit, Shutdown
from headwater.runtime.genserver import GenServer
from headwater.runtime.offload_processes import ProcessWorkers
from headwater.runtime.offload_threads import ThreadWorkers
from headwater.runtime.partition_supervisor import PartitionSupervisor
from headwater.runtime.pid import Pid
from headwater.runtime.registry import Registry
from headwater.runtime.reply import Deferred
from headwater.runtime.strategy import OneForAll, OneForOne, RestForOne
from headwater.runtime.supervisor import Supervisor
from headwater.runtime.system import System
from headwater.runtime.task import Task, start_task
from headwater.runtime.task_supervisor import TaskSupervisor
from headwater.runtime.tasks import Tasks
from headwater.runtime.worker_pool import WorkerPool
from headwater.sourcing.aggregate import Aggregate, decide, evolve
from headwater.sourcing.messages import Command, Event
from headwater.store.appending import StreamAppend
from headwater.store.backup import Backup
from headwater.store.master_key import generate_master_key
from headwater.store.model import Appended, Expected, Recorded, StoredEvent, Undecoded
from headwater.store.query import AppendCondition, EventQuery
from headwater.store.store import EventStore
from headwater.store.stream import Snapshot, StreamInfo
from headwater.tables.table import Table
from headwater.types import Position, Version

__all__ = [
    "Agent",
    "Aggregate",
    "AppendCondition",
    "Appended",
    "Application",
    "Backoff",
    "Backup",
    "Child",
    "Codec",
    "Command",
    "Committed",
    "Deferred",
    "Dispatcher",
    "Down",
    "Dropped",
    "DynamicSupervisor",
    "Entry",
    "Envelope",
    "Event",
    "EventQuery",
    "EventStore",
    "Exit",
    "Exited",
    "Expected",
    "Fastlane",
    "GenServer",
    "HeadwaterError",
    "Hub",
    "OneForAll",
    "OneForOne",
    "Outcome",
    "PartitionSupervisor",
    "Personal",
    "Pid",
    "Position",
    "ProcessWorkers",
    "Projection",
    "PubSub",
    "Query",
    "Recorded",
    "Registry",
    "Rejected",
    "RestForOne",
    "Shutdown",
    "Snapshot",
    "StoredEvent",
    "StreamAppend",
    "StreamInfo",
    "Subscriber",
    "Subscription",
    "Supervisor",
    "System",
    "Table",
    "TableProjection",
    "Task",
    "TaskSupervisor",
    "Tasks",
    "ThreadWorkers",
    "Undecoded",
    "Version",
    "WorkerPool",
    "answer",
    "decide",
    "evolve",
    "fastlane",
    "generate_master_key",
    "project",
    "send_to_all",
    "start_task",
]
