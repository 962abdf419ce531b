"""The whole error tree.

Everything that Headwater raises on purpose derives from `HeadwaterError`, so that one `except` at an edge is
enough. A message names what was wrong and what would be right; what a program may want to decide on is an
attribute as well.

    HeadwaterError         base of all
    ├── InternalError          a bug in Headwater itself: please report it
    ├── DefinitionError        a class of the application is put together wrongly (raised at import or at start)
    │   └── BrokenUpcasters    something that may be stored could not be read
    ├── Rejected               an aggregate says no to a command: an answer, not a fault
    ├── DeadlineExceeded       no answer in time
    │   └── ConsistencyTimeout a command's events are durable, but a view has not followed them in time
    ├── MissingExtra           a library that is installed with an extra
    ├── InvalidLock            a file that is no lock of schemas, or can't be written
    ├── CodecError             bytes that cannot be turned into a value, or the reverse
    │   ├── UnknownType
    │   └── Undecodable
    ├── ProcessError           processes and supervision
    │   ├── ProcessDown        the process is dead, or died before it answered
    │   ├── NameUnknown, NameTaken
    │   │                      └── AlreadyRegistered
    │   ├── NotOwner
    │   ├── TooManyTasks
    │   ├── WorkerDied
    │   ├── StartFailed, StartIgnored
    │   ├── ChildExists, ChildUnknown, ChildRunning, ChildLimit
    │   ├── MailboxFull, MutableMessage
    │   ├── CallingSelf
    │   └── UnknownMethod, WrongArguments
    ├── PubSubError            publish and subscribe
    │   ├── InvalidTopic, InvalidTopicSubscription
    │   ├── NotSubscribed
    │   ├── SubscriberTooSlow
    │   ├── DispatcherUnknown, DispatcherTaken
    │   ├── NodeUnknown, NodeTaken
    │   ├── PubSubClosed, PubSubOverloaded
    │   └── PubSubUnreachable
    ├── TableError             tables in memory
    │   ├── InvalidRow
    │   │   ├── MutableRow
    │   │   └── IncomparableKey
    │   ├── MissingKey, UnknownField
    │   ├── KeyChanged, NotCountable
    │   ├── TableGone, TableUnknown, TableNameTaken
    │   ├── TablePrivate
    │   └── TableFileError
    │       ├── NotATableFile, CorruptTableFile
    │       └── OtherTableFile
    ├── StageError             producers, consumers and pipelines
    │   ├── InvalidDemand
    │   ├── SubscriptionRefused
    │   │   ├── UnknownPartition
    │   │   ├── PartitionTaken
    │   │   └── AlreadySubscribed
    │   ├── StageNotSubscribed
    │   ├── ProducerDown
    │   ├── InvalidPipeline
    │   ├── PipelineRunning, PipelineDown
    │   ├── UnknownBatcher
    │   └── InvalidAcknowledgement
    │       └── MessageAlreadyAcknowledged
    ├── StoreError             the event store
    │   ├── WrongExpectedVersion
    │   ├── ConditionFailed
    │   ├── PipelineBroken
    │   ├── DuplicateEvent
    │   ├── InvalidStreamName, InvalidTag
    │   ├── StreamNotFound, StreamDeleted
    │   ├── EventNotFound
    │   ├── StoreClosed, StoreReadOnly, StoreOverloaded
    │   ├── StoreLocked
    │   ├── NotAStore, NewerSchema
    │   ├── OutcomeUnknown
    │   ├── VaultError         personal fields and their keys
    │   │   ├── InvalidMasterKey, MasterKeyMissing, WrongMasterKey
    │   │   └── SubjectForgotten
    │   ├── BackupFailed, BackupUnsupported
    │   ├── FileTaken
    │   ├── BrokenExport, ForeignLog
    │   ├── NotExportable
    │   ├── StorageFailed
    │   │   └── StorageFull
    │   └── SubscriptionError      named subscriptions
    │       ├── InvalidSubscription
    │       ├── SubscriptionTaken, TooManyConsumers
    │       ├── SubscriptionLost, SubscriptionClosed
    │       ├── SubscriptionNotFound
    │       └── NotDelivered, AlreadyAcknowledged
    └── ApplicationError       commands, queries and views
        ├── UnknownCommand, UnknownQuery, UnknownView
        ├── InvalidCommand
        ├── CommandFailed
        ├── CommandIdTaken
        ├── ConflictNotResolved
        ├── InvalidTenant
        ├── ViewFailed, ViewCatchingUp
        ├── RebuildRunning
        ├── TooManySubscriptions
        ├── InstanceAlreadyStarted, InstanceNotStarted
        ├── UnknownProcessManager
        ├── UnknownTimer, TimerIdTaken
        ├── UnknownHandler     event handlers
        ├── HandlerStopped
        ├── DeadLettersFull, LetterNotFound, LetterNotReplayable
        └── ViewDatabaseError  views in a database
            ├── ViewTablesChanged, ViewTablesTaken
            ├── ViewPartitionsChanged
            ├── ViewOfOtherLog
            ├── ViewVersionTaken
            └── ViewUnavailable
"""

from headwater.errors.application import (
    ApplicationError,
    CommandFailed,
    CommandIdTaken,
    ConflictNotResolved,
    InvalidCommand,
    InvalidTenant,
    RebuildRunning,
    TooManySubscriptions,
    UnknownCommand,
    UnknownQuery,
    UnknownView,
    ViewCatchingUp,
    ViewFailed,
)
from headwater.errors.base import (
    BrokenUpcasters,
    ConsistencyTimeout,
    DeadlineExceeded,
    DefinitionError,
    HeadwaterError,
    InternalError,
    InvalidLock,
    MissingExtra,
    Rejected,
)
from headwater.errors.codec import (
    CodecError,
    Undecodable,
    UnknownType,
)
from headwater.errors.handlers import (
    DeadLettersFull,
    HandlerStopped,
    LetterNotFound,
    LetterNotReplayable,
    UnknownHandler,
)
from headwater.errors.names import (
    one_of,
)
from headwater.errors.process_managers import (
    InstanceAlreadyStarted,
    InstanceNotStarted,
    TimerIdTaken,
    UnknownProcessManager,
    UnknownTimer,
)
from headwater.errors.processes import (
    AlreadyRegistered,
    CallingSelf,
    ChildExists,
    ChildLimit,
    ChildRunning,
    ChildUnknown,
    MailboxFull,
    MutableMessage,
    NameTaken,
    NameUnknown,
    NotOwner,
    ProcessDown,
    ProcessError,
    StartFailed,
    StartIgnored,
    TooManyTasks,
    UnknownMethod,
    WorkerDied,
    WrongArguments,
)
from headwater.errors.pubsub import (
    DispatcherTaken,
    DispatcherUnknown,
    InvalidTopic,
    InvalidTopicSubscription,
    NodeTaken,
    NodeUnknown,
    NotSubscribed,
    PubSubClosed,
    PubSubError,
    PubSubOverloaded,
    PubSubUnreachable,
    SubscriberTooSlow,
)
from headwater.errors.stages import (
    AlreadySubscribed,
    InvalidAcknowledgement,
    InvalidDemand,
    InvalidPipeline,
    MessageAlreadyAcknowledged,
    PartitionTaken,
    PipelineDown,
    PipelineRunning,
    ProducerDown,
    StageError,
    StageNotSubscribed,
    SubscriptionRefused,
    UnknownBatcher,
    UnknownPartition,
)
from headwater.errors.store import (
    BackupFailed,
    BackupUnsupported,
    BrokenExport,
    ConditionFailed,
    DuplicateEvent,
    EventNotFound,
    FileTaken,
    ForeignLog,
    InvalidStreamName,
    InvalidTag,
    NewerSchema,
    NotAStore,
    NotExportable,
    OutcomeUnknown,
    PipelineBroken,
    StorageFailed,
    StorageFull,
    StoreClosed,
    StoreError,
    StoreLocked,
    StoreOverloaded,
    StoreReadOnly,
    StreamDeleted,
    StreamNotFound,
    WrongExpectedVersion,
)
from headwater.errors.subscriptions import (
    AlreadyAcknowledged,
    InvalidSubscription,
    NotDelivered,
    SubscriptionClosed,
    SubscriptionError,
    SubscriptionLost,
    SubscriptionNotFound,
    SubscriptionTaken,
    TooManyConsumers,
)
from headwater.errors.tables import (
    CorruptTableFile,
    IncomparableKey,
    InvalidRow,
    KeyChanged,
    MissingKey,
    MutableRow,
    NotATableFile,
    NotCountable,
    OtherTableFile,
    TableError,
    TableFileError,
    TableGone,
    TableNameTaken,
    TablePrivate,
    TableUnknown,
    UnknownField,
)
from headwater.errors.vault import (
    InvalidMasterKey,
    MasterKeyMissing,
    SubjectForgotten,
    VaultError,
    WrongMasterKey,
)
from headwater.errors.view_databases import (
    ViewDatabaseError,
    ViewOfOtherLog,
    ViewPartitionsChanged,
    ViewTablesChanged,
    ViewTablesTaken,
    ViewUnavailable,
    ViewVersionTaken,
)

__all__ = [
    "AlreadyAcknowledged",
    "AlreadyRegistered",
    "AlreadySubscribed",
    "ApplicationError",
    "BackupFailed",
    "BackupUnsupported",
    "BrokenExport",
    "BrokenUpcasters",
    "CallingSelf",
    "ChildExists",
    "ChildLimit",
    "ChildRunning",
    "ChildUnknown",
    "CodecError",
    "CommandFailed",
    "CommandIdTaken",
    "ConditionFailed",
    "ConflictNotResolved",
    "ConsistencyTimeout",
    "CorruptTableFile",
    "DeadLettersFull",
    "DeadlineExceeded",
    "DefinitionError",
    "DispatcherTaken",
    "DispatcherUnknown",
    "DuplicateEvent",
    "EventNotFound",
    "FileTaken",
    "ForeignLog",
    "HandlerStopped",
    "HeadwaterError",
    "IncomparableKey",
    "InstanceAlreadyStarted",
    "InstanceNotStarted",
    "InternalError",
    "InvalidAcknowledgement",
    "InvalidCommand",
    "InvalidDemand",
    "InvalidLock",
    "InvalidMasterKey",
    "InvalidPipeline",
    "InvalidRow",
    "InvalidStreamName",
    "InvalidSubscription",
    "InvalidTag",
    "InvalidTenant",
    "InvalidTopic",
    "InvalidTopicSubscription",
    "KeyChanged",
    "LetterNotFound",
    "LetterNotReplayable",
    "MailboxFull",
    "MasterKeyMissing",
    "MessageAlreadyAcknowledged",
    "MissingExtra",
    "MissingKey",
    "MutableMessage",
    "MutableRow",
    "NameTaken",
    "NameUnknown",
    "NewerSchema",
    "NodeTaken",
    "NodeUnknown",
    "NotAStore",
    "NotATableFile",
    "NotCountable",
    "NotDelivered",
    "NotExportable",
    "NotOwner",
    "NotSubscribed",
    "OtherTableFile",
    "OutcomeUnknown",
    "PartitionTaken",
    "PipelineBroken",
    "PipelineDown",
    "PipelineRunning",
    "ProcessDown",
    "ProcessError",
    "ProducerDown",
    "PubSubClosed",
    "PubSubError",
    "PubSubOverloaded",
    "PubSubUnreachable",
    "RebuildRunning",
    "Rejected",
    "StageError",
    "StageNotSubscribed",
    "StartFailed",
    "StartIgnored",
    "StorageFailed",
    "StorageFull",
    "StoreClosed",
    "StoreError",
    "StoreLocked",
    "StoreOverloaded",
    "StoreReadOnly",
    "StreamDeleted",
    "StreamNotFound",
    "SubjectForgotten",
    "SubscriberTooSlow",
    "SubscriptionClosed",
    "SubscriptionError",
    "SubscriptionLost",
    "SubscriptionNotFound",
    "SubscriptionRefused",
    "SubscriptionTaken",
    "TableError",
    "TableFileError",
    "TableGone",
    "TableNameTaken",
    "TablePrivate",
    "TableUnknown",
    "TimerIdTaken",
    "TooManyConsumers",
    "TooManySubscriptions",
    "TooManyTasks",
    "Undecodable",
    "UnknownBatcher",
    "UnknownCommand",
    "UnknownField",
    "UnknownHandler",
    "UnknownMethod",
    "UnknownPartition",
    "UnknownProcessManager",
    "UnknownQuery",
    "UnknownTimer",
    "UnknownType",
    "UnknownView",
    "VaultError",
    "ViewCatchingUp",
    "ViewDatabaseError",
    "ViewFailed",
    "ViewOfOtherLog",
    "ViewPartitionsChanged",
    "ViewTablesChanged",
    "ViewTablesTaken",
    "ViewUnavailable",
    "ViewVersionTaken",
    "WorkerDied",
    "WrongArguments",
    "WrongExpectedVersion",
    "WrongMasterKey",
    "one_of",
]


def _name_after_the_package() -> None:
    """Let tracebacks, pickles and logs name the place that an error is imported from, not the file it stands in."""
    for name in __all__:
        value = globals()[name]
        if isinstance(value, type):
            value.__module__ = __name__


_name_after_the_package()
