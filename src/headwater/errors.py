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
        ├── ViewFailed
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

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID


class HeadwaterError(Exception):
    """Base of all errors that Headwater raises on purpose."""


class InternalError(HeadwaterError):
    """Headwater broke one of its own promises. Nothing that a caller did can explain it: it is a bug."""


class DefinitionError(HeadwaterError):
    """A class of the application is put together wrongly. Raised at definition or at start, never later."""


class BrokenUpcasters(DefinitionError):
    """Upcasters leave a hole, lead nowhere or round in a circle. Raised before anything is read.

    Args:
        message: what is wrong, and what would be right.
        type: the type name at fault.
        schema: its schema version.
    """

    def __init__(self, message: str, /, *, type: str, schema: int) -> None:  # noqa: A002 - the field's term
        super().__init__(message)
        self.type = type
        self.schema = schema


class InvalidLock(HeadwaterError):
    """A file is no lock of the schemas of events, or can't be written. It was not changed."""


class Rejected(HeadwaterError):
    """An aggregate says no to a command. Nothing has changed, nothing was stored.

    Args:
        message: why, for a person.
        reason: why, for a program: a short stable word, also what rejections are counted by.
        details: the values that led to it.
    """

    def __init__(self, message: str, /, *, reason: str = "rejected", **details: object) -> None:
        super().__init__(message)
        self.reason = reason
        self.details = details


class DeadlineExceeded(HeadwaterError, TimeoutError):
    """No answer came within the caller's deadline. The work may still be done: the outcome is unknown."""


class ConsistencyTimeout(DeadlineExceeded):
    """A command's events are durable, but a view that its caller waits for has not followed them in time.

    Args:
        message: which view.
        stream: the stream that the events are in.
        version: its version after the command.
        position: the position of the last event; wait for it again with `wait_for`.
    """

    def __init__(self, message: str, /, *, stream: str, version: int, position: int) -> None:
        super().__init__(message)
        self.stream = stream
        self.version = version
        self.position = position


class MissingExtra(HeadwaterError, ImportError):
    """A module needs a library that isn't installed. The message names the extra that it comes with."""


# --- codec ---------------------------------------------------------------------------------------------------


class CodecError(HeadwaterError):
    """A value could not be encoded, or bytes could not be decoded."""


class UnknownType(CodecError):
    """A name and schema version for which no class is registered, or a class that is not registered.

    `position` is set when the name came out of a log.
    """

    def __init__(self, message: str, /, *, name: str, version: int | None = None, position: int | None = None) -> None:
        super().__init__(message)
        self.name = name
        self.version = version
        self.position = position


class Undecodable(CodecError):
    """Bytes that do not fit their type. `position` is set when they came out of a log."""

    def __init__(self, message: str, /, *, name: str, position: int | None = None) -> None:
        super().__init__(message)
        self.name = name
        self.position = position


# --- processes -----------------------------------------------------------------------------------------------


class ProcessError(HeadwaterError):
    """Base of what goes wrong between processes."""


class ProcessDown(ProcessError):
    """The process called is dead, or died before it answered. `reason` tells how it ended."""

    def __init__(self, message: str, /, *, reason: object) -> None:
        super().__init__(message)
        self.reason = reason


class NameUnknown(ProcessError):
    """No living process has this name."""


class NameTaken(ProcessError):
    """A living process has this name already."""


class AlreadyRegistered(NameTaken):
    """A living process is registered under this key already.

    Args:
        message: who, where, and under which key.
        owner: the address of that process, a `Pid`.
    """

    def __init__(self, message: str, /, *, owner: object) -> None:
        super().__init__(message)
        self.owner = owner


class NotOwner(ProcessError):
    """Only the owner may do that: of a task, whoever started it; of a registry's entry, the process itself."""


class TooManyTasks(ProcessError):
    """As many tasks as allowed run, or wait for a worker, already. This one was not started."""


class WorkerDied(ProcessError):
    """The operating system's process that ran a function ended before the function did."""


class StartFailed(ProcessError):
    """A process's `init` raised, or one of a supervisor's children did. `__cause__` is the error itself."""


class StartIgnored(ProcessError):
    """Raised by a process's `init` to say that it is not needed now. Nothing was started, and nothing failed."""


class ChildExists(ProcessError):
    """The supervisor has a child of this id already. Nothing was started."""


class ChildUnknown(ProcessError):
    """The supervisor has no such child."""


class ChildRunning(ProcessError):
    """The child runs, or is about to be restarted, so that it can be neither started nor deleted."""


class ChildLimit(ProcessError):
    """The supervisor has as many children as it may have. Nothing was started."""


class MutableMessage(ProcessError, TypeError):
    """A message holds something mutable; it was not sent. Only raised by a system with frozen messages."""


class MailboxFull(ProcessError):
    """The process has as many unhandled messages as its mailbox may hold. The message was not queued."""


class CallingSelf(ProcessError):
    """A process called itself, which could never be answered."""


class UnknownMethod(ProcessError):
    """The process's class has no such public method."""


class WrongArguments(ProcessError, TypeError):
    """One of the runtime's own processes was asked with arguments that don't fit. Nothing was done, and it lives on."""


# --- publish and subscribe -----------------------------------------------------------------------------------


class PubSubError(HeadwaterError):
    """Base of what goes wrong in publish and subscribe. Unless the class says otherwise, nobody got anything."""


class InvalidTopic(PubSubError, ValueError):
    """A topic is a non-empty string, and this is none."""


class InvalidTopicSubscription(PubSubError, ValueError):
    """A subscription was asked for with a capacity below 1, or with a policy that doesn't exist."""


class NotSubscribed(PubSubError):
    """A subscription is read outside of its `async with`, or entered a second time."""


class SubscriberTooSlow(PubSubError):
    """A subscription was ended because its reader was too slow: it has lost what was broadcast since.

    Args:
        topic: the subscription's topic.
        capacity: how many messages it could hold.
    """

    def __init__(self, topic: str, capacity: int) -> None:
        super().__init__(f"the reader of topic {topic!r} was too slow: {capacity} messages waited, and one more came")
        self.topic = topic
        self.capacity = capacity


class DispatcherUnknown(PubSubError):
    """No dispatcher is registered under this name."""


class DispatcherTaken(PubSubError):
    """Another dispatcher is registered under this name already."""


class NodeUnknown(PubSubError):
    """No node of this name has joined."""


class NodeTaken(PubSubError):
    """A node of this name has joined already."""


class PubSubClosed(PubSubError):
    """The PubSub was stopped, or not started yet."""


class PubSubOverloaded(PubSubError):
    """More messages wait for other nodes than may be queued. This one was not sent, and nobody got it."""


class PubSubUnreachable(PubSubError):
    """The transport to other nodes failed. Some of them may have got the message; this node's subscribers have not."""


# --- tables --------------------------------------------------------------------------------------------------


class TableError(HeadwaterError):
    """Base of what goes wrong with tables. The table is as it was before."""


class InvalidRow(TableError, TypeError):
    """The row is of another class than the table's, or it or its key cannot be hashed. Nothing was stored."""


class MutableRow(InvalidRow):
    """The row holds something mutable; the message names the path to it. Nothing was stored."""


class IncomparableKey(InvalidRow):
    """The key has no place in the order of the table's other keys. Nothing was stored."""


class MissingKey(TableError, LookupError):
    """The table has no row of this key. `key` is the key.

    Args:
        message: which table, which key.
        key: the key.
    """

    def __init__(self, message: str, /, *, key: object) -> None:
        super().__init__(message)
        self.key = key


class UnknownField(TableError):
    """The table's rows have no such field."""


class KeyChanged(TableError):
    """A row was to be replaced by one with another key. Delete and insert instead."""


class NotCountable(TableError, TypeError):
    """The field is no counter: it doesn't hold an integer, or it is part of the key."""


class TableGone(TableError):
    """The table is no more, or belongs to another process now, and its old owner's handle is used.

    Its owner ended, it was deleted, or given away: the message tells which.
    """


class TableUnknown(TableError):
    """No table has this name."""


class TableNameTaken(TableError):
    """A table has this name already."""


class TablePrivate(TableError):
    """The table is its owner's alone, or, if it is protected, to be written by its owner alone."""


class TableFileError(TableError):
    """Base of what goes wrong with a table's file. The table is as it was before."""


class NotATableFile(TableFileError):
    """The file was not written by `save`."""


class CorruptTableFile(TableFileError):
    """The file is cut short, or its checksum is not that of its contents."""


class OtherTableFile(TableFileError):
    """The file was saved from a table with rows of another class, with another key, or of another kind."""


# --- stages --------------------------------------------------------------------------------------------------


class StageError(HeadwaterError):
    """Base of what goes wrong between producers and consumers."""


class InvalidDemand(StageError, ValueError):
    """A demand that isn't positive, or bounds of a demand that don't fit each other. Nothing was asked for."""


class SubscriptionRefused(StageError):
    """The producer can't have this consumer, or not on these terms. Nothing was subscribed."""


class UnknownPartition(SubscriptionRefused):
    """The dispatcher has no such partition. Nothing was subscribed, or dispatched."""


class PartitionTaken(SubscriptionRefused):
    """The partition has a consumer already. Nothing was subscribed."""


class AlreadySubscribed(SubscriptionRefused):
    """The consumer is subscribed already, and twice would give it each event twice. The first subscription stays."""


class StageNotSubscribed(StageError):
    """There is no such subscription, or it has ended."""


class ProducerDown(StageError):
    """The producer is dead, or died before it had accepted the subscription, or while a stream was read.

    Args:
        message: which.
        reason: how it ended.
    """

    def __init__(self, message: str, /, *, reason: object) -> None:
        super().__init__(message)
        self.reason = reason


# --- pipelines -----------------------------------------------------------------------------------------------


class InvalidPipeline(StageError, ValueError):
    """A pipeline, or one of its options, is put together wrongly. Nothing was started."""


class PipelineRunning(StageError):
    """The pipeline runs already. It was not started a second time."""


class PipelineDown(StageError):
    """The pipeline doesn't run, or has ended."""


class UnknownBatcher(StageError):
    """A message was sent to a batcher that the pipeline doesn't have. The message has failed; no retry helps."""


class InvalidAcknowledgement(StageError):
    """The source can't be told that. Nothing was acknowledged."""


class MessageAlreadyAcknowledged(InvalidAcknowledgement):
    """A message is acknowledged once; this was the second time. Nothing has changed."""


# --- event store ---------------------------------------------------------------------------------------------


class StoreError(HeadwaterError):
    """Base of what goes wrong in the event store. Nothing is ever half appended."""


class WrongExpectedVersion(StoreError):
    """The stream is not at the version that the append was made for. Nothing was appended.

    Args:
        stream: the stream's name.
        expected: what the append asked for.
        actual: the stream's version at that moment; 0 when it doesn't exist.
    """

    def __init__(self, stream: str, expected: str, actual: int) -> None:
        super().__init__(f"stream {stream!r} is at version {actual}, but the append expected {expected}")
        self.stream = stream
        self.expected = expected
        self.actual = actual


class ConditionFailed(StoreError):
    """An event that the append's condition excludes is in the log. Nothing was appended.

    Args:
        position: where the first such event lies.
        after: the position that the condition was read up to.
    """

    def __init__(self, position: int, after: int) -> None:
        super().__init__(
            f"the event at position {position} matches the append's condition, which allows none after {after}; "
            "read again and decide again"
        )
        self.position = position
        self.after = after


class PipelineBroken(StoreError):
    """An earlier append, which this one was decided upon, failed. Nothing was appended."""


class DuplicateEvent(StoreError):
    """The log has an event with this id already, and not by this very append. Nothing was appended.

    Also raised when an event would be linked a second time into the same stream.

    Args:
        message: which event.
        id: its identifier; None if the storage didn't tell.
    """

    def __init__(self, message: str, /, *, id: UUID | None = None) -> None:  # noqa: A002 - the field's term
        super().__init__(message)
        self.id = id


class InvalidStreamName(StoreError):
    """A stream's name is empty, too long, reserved, or holds control characters."""


class InvalidTag(StoreError):
    """A tag is empty, too long, or holds control characters; or an event has too many."""


class StreamNotFound(StoreError):
    """There is no such stream, or none of its events can be read."""


class StreamDeleted(StoreError):
    """The stream was closed for ever: nothing can be appended to it or linked into it. Nothing was."""


class EventNotFound(StoreError):
    """No event lies at this position. Nothing was linked."""


class StoreClosed(StoreError):
    """The store is closed, or was closed before the append was taken up."""


class StoreReadOnly(StoreError):
    """The store was opened for reading only. Nothing was appended."""


class StoreOverloaded(StoreError):
    """More appends wait than the store may queue. This one was not queued."""


class StoreLocked(StoreError):
    """Another process writes to this store. The message names it."""


class NotAStore(StoreError):
    """The file or URL is no Headwater event store. It was not touched."""


class NewerSchema(StoreError):
    """The store was written by a newer Headwater than this one. It was not touched."""


class OutcomeUnknown(StoreError):
    """The connection was lost while the append was under way: it may be in the log, or not.

    Append again with the same ids: if it is in the log already, that gives the first result.

    Args:
        message: what was lost.
        ids: the identifiers of the append's events.
    """

    def __init__(self, message: str, /, *, ids: Sequence[UUID]) -> None:
        super().__init__(message)
        self.ids = tuple(ids)


class VaultError(StoreError):
    """Base of what goes wrong with personal fields and their keys. Nothing was stored."""


class InvalidMasterKey(VaultError, ValueError):
    """This is no master key: 32 bytes in base64, or several with commas between them."""


class MasterKeyMissing(VaultError):
    """The store was opened without a master key: no personal field can be encrypted, and no key wrapped anew."""


class WrongMasterKey(VaultError):
    """A subject's key was wrapped with another master key than those that were given."""


class SubjectForgotten(VaultError):
    """Something personal would be stored about a subject that was forgotten. Nothing was appended.

    Args:
        subject: whose key is gone for ever.
    """

    def __init__(self, subject: str) -> None:
        super().__init__(f"subject {subject!r} was forgotten: nothing personal can be stored about it any more")
        self.subject = subject


class BackupFailed(StoreError):
    """The copy could not be made, or is not what was copied. Nothing was left at its path."""


class BackupUnsupported(StoreError):
    """This backend makes no copies of itself. The message tells what to use instead."""


class FileTaken(StoreError):
    """There is a file already where one shall be made. It was not touched."""


class BrokenExport(StoreError):
    """A line of an export can't be what was written. What stood before it has been imported.

    Args:
        line: the line's number, from 1.
        reason: what is wrong with it.
    """

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


class ForeignLog(StoreError):
    """The store's events are not the first ones of what is being imported. Nothing of it was imported."""


class NotExportable(StoreError):
    """The log holds something that an export can't carry. The message names it."""


class StorageFailed(StoreError):
    """The disk or the database refused. The whole group of appends was rolled back."""


class StorageFull(StorageFailed):
    """The disk is full, or the file has reached its largest size. The group of appends was rolled back."""


# --- subscriptions -------------------------------------------------------------------------------------------


class SubscriptionError(StoreError):
    """Base of what goes wrong with named subscriptions. No event is lost by it, and no checkpoint moved."""


class InvalidSubscription(SubscriptionError, ValueError):
    """A subscription's name, start or option is not possible, or doesn't fit the subscription that is there."""


class SubscriptionTaken(SubscriptionError):
    """Another owner has the subscription. Nothing was changed.

    Args:
        message: which subscription, and who has it.
        owner: who, as it describes itself.
        expires_at: when the lease ends unless it is renewed, in microseconds since 1970-01-01 UTC.
    """

    def __init__(self, message: str, /, *, owner: str, expires_at: int) -> None:
        super().__init__(message)
        self.owner = owner
        self.expires_at = expires_at


class TooManyConsumers(SubscriptionError):
    """The subscription has as many consumers as it may have. This one gets no events."""


class SubscriptionLost(SubscriptionError):
    """The subscription has another owner now, or was reset or deleted. What wasn't written down comes again."""


class SubscriptionClosed(SubscriptionError):
    """The consumer has left the subscription, or never entered it, or the store is closed."""


class SubscriptionNotFound(SubscriptionError):
    """There is no subscription of this name."""


class NotDelivered(SubscriptionError):
    """The event was not delivered to this consumer, so it can't acknowledge it. Nothing was acknowledged."""


class AlreadyAcknowledged(SubscriptionError):
    """The event was acknowledged before, or stands twice in one acknowledgement. Nothing was acknowledged."""


# --- applications --------------------------------------------------------------------------------------------


class ApplicationError(HeadwaterError):
    """Base of what goes wrong between an application's parts."""


class UnknownCommand(ApplicationError):
    """No aggregate of the application decides this command."""


class UnknownQuery(ApplicationError):
    """No projection of the application answers this query."""


class UnknownView(ApplicationError):
    """The application has no such projection."""


class InvalidCommand(ApplicationError, ValueError):
    """A command that makes no sense by itself, whatever the state. Nobody was asked to decide it.

    Args:
        message: what is wrong.
        field: the field that is at fault, if it is one.
    """

    def __init__(self, message: str, /, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class CommandFailed(ApplicationError):
    """`decide`, `evolve` or a middleware raised what is no answer. Nothing was stored; `__cause__` tells why."""


class CommandIdTaken(ApplicationError):
    """The command's identifier was used for a command of another aggregate. Nothing was stored."""


class ConflictNotResolved(ApplicationError):
    """The stream kept changing under the command: it was decided again as often as allowed, and gave up."""


class ViewFailed(ApplicationError):
    """A projection stopped at an event that it could not handle. `position` is that event's.

    Args:
        view: the projection's name.
        position: the position of the event at which it stopped.
        cause: what its handler raised, as text.
    """

    def __init__(self, view: str, position: int, cause: str) -> None:
        super().__init__(f"view {view!r} stopped at position {position}: {cause}")
        self.view = view
        self.position = position
        self.cause = cause


# --- views -----------------------------------------------------------------------------------------------------


class RebuildRunning(ApplicationError):
    """Another build of this view is under way already."""


class TooManySubscriptions(ApplicationError):
    """A view has as many live queries as it may have. This one was not opened."""


# --- process managers and timers -----------------------------------------------------------------------------


class InstanceAlreadyStarted(ApplicationError):
    """An event would start an instance of a process manager that runs already, and its method is strict."""


class InstanceNotStarted(ApplicationError):
    """An event is for an instance of a process manager that doesn't run, and its method is strict."""


class UnknownProcessManager(ApplicationError):
    """The application has no such process manager."""


class UnknownTimer(ApplicationError):
    """No timer of this id was ever scheduled."""


class TimerIdTaken(ApplicationError):
    """A timer of this id was scheduled for something else. Nothing was scheduled."""


# --- event handlers --------------------------------------------------------------------------------------------


class UnknownHandler(ApplicationError):
    """The application has no such event handler."""


class HandlerStopped(ApplicationError):
    """An event handler has stopped, and goes on when it is resumed.

    Args:
        handler: the handler's name.
        cause: why it has stopped, as text.
    """

    def __init__(self, handler: str, cause: str) -> None:
        super().__init__(f"handler {handler!r} has stopped: {cause}")
        self.handler = handler
        self.cause = cause


class DeadLettersFull(ApplicationError):
    """A handler or a process manager has as many open dead letters as it may have."""


class LetterNotFound(ApplicationError):
    """A handler has no open dead letter of this position, or a process manager none of this number."""


class LetterNotReplayable(ApplicationError):
    """A dead letter of an event that a process manager's instance has gone on behind, or of one that has stopped."""


# --- views in a database -------------------------------------------------------------------------------------


class ViewDatabaseError(ApplicationError):
    """Base of what goes wrong with a view's tables in a database. Nothing was changed there."""


class ViewTablesChanged(ViewDatabaseError):
    """A projection's tables are others than those that were made for this version of it. Raise its version.

    Args:
        view: the projection's name.
        table: the table at fault, as it is called in the database.
        column: its column at fault; None if it is something else.
        difference: what is different, as text.
    """

    def __init__(self, view: str, table: str, column: str | None, difference: str) -> None:
        super().__init__(f"view {view!r}: {difference}; raise the projection's version, so that it is built anew")
        self.view = view
        self.table = table
        self.column = column


class ViewTablesTaken(ViewDatabaseError):
    """The database has a table of this name that isn't the view's. `table` is its name.

    Args:
        view: the projection's name.
        table: the table's name.
    """

    def __init__(self, view: str, table: str) -> None:
        super().__init__(f"view {view!r}: the database has a table {table} already that isn't the view's; rename one")
        self.view = view
        self.table = table


class ViewPartitionsChanged(ViewDatabaseError):
    """A projection has another number of partitions than its tables were built with. Raise its version.

    Args:
        view: the projection's name.
        built: with how many it was built.
        wanted: how many its class says.
    """

    def __init__(self, view: str, built: int, wanted: int) -> None:
        super().__init__(
            f"view {view!r} was built with partitions={built}, not {wanted}; "
            "raise the projection's version, so that it is built anew"
        )
        self.view = view
        self.built = built
        self.wanted = wanted


class ViewOfOtherLog(ViewDatabaseError):
    """A view's tables have followed another log, or one that has lost its last events since. Drop the view."""


class ViewVersionTaken(ViewDatabaseError):
    """A view in a database can't be built anew under the version that serves: its tables are those. Raise the version.

    Or, while no application runs that has the view, let its tables be emptied first:
    `headwater projections rebuild NAME --in-place`.

    Args:
        view: its name and version.
    """

    def __init__(self, view: str) -> None:
        super().__init__(
            f"view {view!r} serves from the tables of this version, and a new build needs its own; raise the "
            "projection's version; or stop the application and empty them: headwater projections rebuild … --in-place"
        )
        self.view = view


class ViewUnavailable(ViewDatabaseError):
    """The view's database can't be reached, or refused for a reason that lies with it. `__cause__` tells which."""


def one_of(names: Sequence[str], limit: int = 8) -> str:
    """Names for an error message: «a, b, c … (12 more)», or «none»."""
    if not names:
        return "none"
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} … ({len(names) - limit} more)"


# --- tenants -------------------------------------------------------------------------------------------------


class InvalidTenant(ApplicationError, ValueError):
    """A tenant's name has another form than names of tenants have, or its store is another tenant's too."""
