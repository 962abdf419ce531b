"""Headwater: real-time, event-driven systems for Python.

Everything that an application needs day by day can be imported from here; see the guide for where each part is
at home.
"""

from headwater.app import Application
from headwater.cqrs.aggregate_process import Committed
from headwater.cqrs.dispatch import Envelope, Outcome
from headwater.cqrs.projection import Projection, TableProjection, answer, project
from headwater.cqrs.query import Query
from headwater.errors import HeadwaterError, Rejected
from headwater.pipeline.batch import BatchInfo
from headwater.pipeline.dead_letters import DeadLetter, DeadLetters, MemoryDeadLetters
from headwater.pipeline.iterable_source import IterableSource
from headwater.pipeline.message import Message
from headwater.pipeline.options import Batcher, Processors, RateLimit, Retry
from headwater.pipeline.ordered_source import OrderedSource
from headwater.pipeline.pipeline import Pipeline
from headwater.pipeline.source import Delivery, Feed, Source
from headwater.pipeline.supervision import running_pipelines
from headwater.pubsub.broker import PubSub
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
from headwater.sourcing.aggregate import Aggregate, decide, evolve
from headwater.sourcing.messages import Command, Event
from headwater.stages.consumer import Consumer
from headwater.stages.consumer_supervisor import ConsumerSupervisor
from headwater.stages.dispatchers.broadcast import BroadcastDispatcher
from headwater.stages.dispatchers.demand import DemandDispatcher
from headwater.stages.dispatchers.partition import PartitionDispatcher
from headwater.stages.iterable import from_iterable
from headwater.stages.messages import Subscription
from headwater.stages.producer import Producer
from headwater.stages.producer_consumer import ProducerConsumer
from headwater.stages.stream import stream
from headwater.stages.subscribing import resubscribe, subscribe, subscribe_soon
from headwater.store.model import Appended, Expected, Recorded, StoredEvent
from headwater.store.store import EventStore
from headwater.tables.table import Table
from headwater.types import Position, Version

__all__ = [
    "Agent",
    "Aggregate",
    "Appended",
    "Application",
    "Backoff",
    "BatchInfo",
    "Batcher",
    "BroadcastDispatcher",
    "Child",
    "Command",
    "Committed",
    "Consumer",
    "ConsumerSupervisor",
    "DeadLetter",
    "DeadLetters",
    "Deferred",
    "Delivery",
    "DemandDispatcher",
    "Down",
    "DynamicSupervisor",
    "Envelope",
    "Event",
    "EventStore",
    "Exit",
    "Exited",
    "Expected",
    "Feed",
    "GenServer",
    "HeadwaterError",
    "IterableSource",
    "MemoryDeadLetters",
    "Message",
    "OneForAll",
    "OneForOne",
    "OrderedSource",
    "Outcome",
    "PartitionDispatcher",
    "PartitionSupervisor",
    "Pid",
    "Pipeline",
    "Position",
    "ProcessWorkers",
    "Processors",
    "Producer",
    "ProducerConsumer",
    "Projection",
    "PubSub",
    "Query",
    "RateLimit",
    "Recorded",
    "Registry",
    "Rejected",
    "RestForOne",
    "Retry",
    "Shutdown",
    "Source",
    "StoredEvent",
    "Subscription",
    "Supervisor",
    "System",
    "Table",
    "TableProjection",
    "Task",
    "TaskSupervisor",
    "Tasks",
    "ThreadWorkers",
    "Version",
    "answer",
    "decide",
    "evolve",
    "from_iterable",
    "project",
    "resubscribe",
    "running_pipelines",
    "start_task",
    "stream",
    "subscribe",
    "subscribe_soon",
]
