"""Headwater: real-time, event-driven systems for Python.

Everything that an application needs day by day can be imported from here; see the guide for where each part is
at home.
"""

from headwater.app import Application
from headwater.codec import Codec
from headwater.cqrs.blueprint import Blueprint
from headwater.cqrs.committed import Committed
from headwater.cqrs.dead_letter import Letter
from headwater.cqrs.dead_letter_box import DeadLetterBox
from headwater.cqrs.envelope import Envelope, Outcome
from headwater.cqrs.event_handler import EventHandler, handle
from headwater.cqrs.failure import Failure, NoParking, Resolution, RetryIn
from headwater.cqrs.handler_error import HandlerFailure, Park, RetryAfter, Skip, Stop
from headwater.cqrs.handler_process import HandlerStatus
from headwater.cqrs.manager_letter import ManagerLetter
from headwater.cqrs.manager_letter_box import ManagerLetterBox
from headwater.cqrs.manager_status import InstanceStatus, ManagerStatus
from headwater.cqrs.middleware import Middleware
from headwater.cqrs.process_manager import ProcessManager
from headwater.cqrs.projection import Projection, TableProjection, answer, project
from headwater.cqrs.query import Query
from headwater.cqrs.query_subscription import QuerySubscription
from headwater.cqrs.reacting import By, accepted, continues, expires, rejected, starts, stops
from headwater.cqrs.reaction import Reaction, TimerSet
from headwater.cqrs.scheduling import Scheduled
from headwater.cqrs.view_build import ViewBuild
from headwater.cqrs.view_places import ViewPlaces
from headwater.cqrs.view_status import RebuildProgress, ViewStatus
from headwater.errors import HeadwaterError, Rejected
from headwater.personal import Personal
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
from headwater.sourcing.aggregate import Aggregate
from headwater.sourcing.decider import Decider
from headwater.sourcing.deciding import decide, evolve
from headwater.sourcing.decision_model import DecisionModel
from headwater.sourcing.history import Change, Step
from headwater.sourcing.lifespan import AT_ONCE, NEVER, Lifespan
from headwater.sourcing.messages import Command, Event
from headwater.stages.consumer import Consumer
from headwater.stages.consumer_supervisor import ConsumerSupervisor
from headwater.stages.dispatchers.broadcast import BroadcastDispatcher
from headwater.stages.dispatchers.demand import DemandDispatcher
from headwater.stages.dispatchers.partition import PartitionDispatcher
from headwater.stages.iterable import from_iterable
from headwater.stages.messages import StageSubscription
from headwater.stages.producer import Producer
from headwater.stages.producer_consumer import ProducerConsumer
from headwater.stages.stream import stream
from headwater.stages.subscribing import resubscribe, subscribe, subscribe_soon
from headwater.store.appending import StreamAppend
from headwater.store.backup import Backup
from headwater.store.master_key import generate_master_key
from headwater.store.model import Appended, Expected, Recorded, StoredEvent, Undecoded
from headwater.store.query import AppendCondition, EventQuery
from headwater.store.store import EventStore
from headwater.store.stream import Snapshot, StreamInfo
from headwater.store.subscription import EventSubscription
from headwater.store.subscription_info import SubscriptionInfo
from headwater.store.subscription_options import SubscriptionOptions
from headwater.store.subscription_process import EventsArrived, ProcessSubscription, Subscribed, SubscriptionEnded
from headwater.store.subscription_source import SubscriptionSource
from headwater.store.subscription_start import Start
from headwater.tables.bag import BagReader, BagTable, DuplicateBagTable
from headwater.tables.changes import TableChanged
from headwater.tables.counting import Count
from headwater.tables.file import table_file_info
from headwater.tables.match import ANY, Above, AtLeast, AtMost, Below, Between, Not, OneOf, Prefix, Where, like, where
from headwater.tables.ordered import OrderedReader, OrderedTable
from headwater.tables.owned import Tables, TableTransfer
from headwater.tables.table import Table
from headwater.tables.table_reader import TableReader
from headwater.tenants import Tenants
from headwater.types import Position, Version
from headwater.upcaster import Origin, Raw, Upcaster, upcast

__all__ = [
    "ANY",
    "AT_ONCE",
    "NEVER",
    "Above",
    "Agent",
    "Aggregate",
    "AppendCondition",
    "Appended",
    "Application",
    "AtLeast",
    "AtMost",
    "Backoff",
    "Backup",
    "BagReader",
    "BagTable",
    "BatchInfo",
    "Batcher",
    "Below",
    "Between",
    "Blueprint",
    "BroadcastDispatcher",
    "By",
    "Change",
    "Child",
    "Codec",
    "Command",
    "Committed",
    "Consumer",
    "ConsumerSupervisor",
    "Count",
    "DeadLetter",
    "DeadLetterBox",
    "DeadLetters",
    "Decider",
    "DecisionModel",
    "Deferred",
    "Delivery",
    "DemandDispatcher",
    "Dispatcher",
    "Down",
    "Dropped",
    "DuplicateBagTable",
    "DynamicSupervisor",
    "Entry",
    "Envelope",
    "Event",
    "EventHandler",
    "EventQuery",
    "EventStore",
    "EventSubscription",
    "EventsArrived",
    "Exit",
    "Exited",
    "Expected",
    "Failure",
    "Fastlane",
    "Feed",
    "GenServer",
    "HandlerFailure",
    "HandlerStatus",
    "HeadwaterError",
    "Hub",
    "InstanceStatus",
    "IterableSource",
    "Letter",
    "Lifespan",
    "ManagerLetter",
    "ManagerLetterBox",
    "ManagerStatus",
    "MemoryDeadLetters",
    "Message",
    "Middleware",
    "NoParking",
    "Not",
    "OneForAll",
    "OneForOne",
    "OneOf",
    "OrderedReader",
    "OrderedSource",
    "OrderedTable",
    "Origin",
    "Outcome",
    "Park",
    "PartitionDispatcher",
    "PartitionSupervisor",
    "Personal",
    "Pid",
    "Pipeline",
    "Position",
    "Prefix",
    "ProcessManager",
    "ProcessSubscription",
    "ProcessWorkers",
    "Processors",
    "Producer",
    "ProducerConsumer",
    "Projection",
    "PubSub",
    "Query",
    "QuerySubscription",
    "RateLimit",
    "Raw",
    "Reaction",
    "RebuildProgress",
    "Recorded",
    "Registry",
    "Rejected",
    "Resolution",
    "RestForOne",
    "Retry",
    "RetryAfter",
    "RetryIn",
    "Scheduled",
    "Shutdown",
    "Skip",
    "Snapshot",
    "Source",
    "StageSubscription",
    "Start",
    "Step",
    "Stop",
    "StoredEvent",
    "StreamAppend",
    "StreamInfo",
    "Subscribed",
    "Subscriber",
    "Subscription",
    "SubscriptionEnded",
    "SubscriptionInfo",
    "SubscriptionOptions",
    "SubscriptionSource",
    "Supervisor",
    "System",
    "Table",
    "TableChanged",
    "TableProjection",
    "TableReader",
    "TableTransfer",
    "Tables",
    "Task",
    "TaskSupervisor",
    "Tasks",
    "Tenants",
    "ThreadWorkers",
    "TimerSet",
    "Undecoded",
    "Upcaster",
    "Version",
    "ViewBuild",
    "ViewPlaces",
    "ViewStatus",
    "Where",
    "WorkerPool",
    "accepted",
    "answer",
    "continues",
    "decide",
    "evolve",
    "expires",
    "fastlane",
    "from_iterable",
    "generate_master_key",
    "handle",
    "like",
    "project",
    "rejected",
    "resubscribe",
    "running_pipelines",
    "send_to_all",
    "start_task",
    "starts",
    "stops",
    "stream",
    "subscribe",
    "subscribe_soon",
    "table_file_info",
    "upcast",
    "where",
]
