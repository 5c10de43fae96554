"""What the master's core asks of its shell. Carried out in the order given.

An effect with `after` waits until the store has made that commit durable (0: at once).
"""

from dataclasses import dataclass
from typing import NewType

from limpet.common.control.replies import Event, Reply
from limpet.common.control.requests import Request
from limpet.common.identifiers import Commit, JobId, MinionId, MinionKey
from limpet.common.messages.enrolment import EnrolAnswer
from limpet.common.messages.fields import Message
from limpet.master.rotation.work import KeyWork
from limpet.master.sources.work import Work
from limpet.master.store.operations import Operation

NOW = Commit(0)
"""Wait for no commit."""

Peer = NewType("Peer", bytes)
"""One connection on the main port. Secret: never in a reply, an error, a log or a metric."""

Client = NewType("Client", int)
"""One connection on the Unix socket of the command line."""


@dataclass(frozen=True, slots=True)
class Persist:
    """Commit the operations as one transaction; answer with `on_committed(commit)`.

    The shell may put several together into one fsync.
    """

    commit: Commit
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Send:
    """Send to one connection without ever blocking; failures come as `on_send_failed(peer, …)`."""

    peer: Peer
    key: MinionKey
    message: Message
    after: Commit = NOW


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Shut this one connection down, within the same turn of the loop."""

    peer: Peer
    reason: str


@dataclass(frozen=True, slots=True)
class AnswerEnrolment:
    """Answer a question that came through the enrol process, if it still waits."""

    handle: int
    answer: EnrolAnswer
    after: Commit = NOW


@dataclass(frozen=True, slots=True)
class Answer:
    """Tell a client of the Unix socket something; dropped if it has gone."""

    client: Client
    reply: Reply
    after: Commit = NOW


@dataclass(frozen=True, slots=True)
class Query:
    """Let the store answer a reading request outside the loop, straight to the client.

    Read once commit `after` is durable. What is answered to this client by later effects waits
    until this has been answered: each client hears things in the order of the effects.
    `WatchJob` is answered by `JobStored`, and by `JobEnded` after it if it asks to follow.
    """

    client: Client
    request: Request
    after: Commit = NOW


@dataclass(frozen=True, slots=True)
class Fetch:
    """Read one minion's result with its body (it came in bulk) and answer with a `JobUpdate`.

    Ordered and held back as `Query` is.
    """

    client: Client
    jid: JobId
    minion: MinionId
    after: Commit = NOW


@dataclass(frozen=True, slots=True)
class Subscribe:
    """From now on this client is given every event, until it goes.

    Its queue is bounded by the shell; a client that does not read is cut, saying so.
    """

    client: Client


@dataclass(frozen=True, slots=True)
class Publish:
    """Give an event to all who follow `limpet events`, and to the log at `info`."""

    event: Event
    after: Commit = NOW


@dataclass(frozen=True, slots=True)
class Report:
    """A line for the log; the shell rate-limits equal `topic`s to one a minute."""

    level: str
    topic: str
    text: str


@dataclass(frozen=True, slots=True)
class Count:
    """Add one to the counter `limpet_master_rejected_total{reason=…}`."""

    reason: str


@dataclass(frozen=True, slots=True)
class ReadSource:
    """Have something of the file roots read outside the loop; answer `on_source_read(…)`."""

    ticket: int
    work: Work


@dataclass(frozen=True, slots=True)
class Render:
    """Have a minion's pillar rendered outside the loop; answer `on_rendered(…)`, once."""

    number: int
    minion: MinionId
    arguments: bytes
    """As the minion sent them, or MessagePack of `limpet.master.pillar.line.Wanted`."""


@dataclass(frozen=True, slots=True)
class WriteKeys:
    """Have the master's key files written outside the loop; answer `on_keys_written(…)`, once."""

    work: KeyWork


@dataclass(frozen=True, slots=True)
class StartAfresh:
    """Let what was said leave, as at a stop, and start this process anew: it has another key."""


Effect = (
    Persist
    | Send
    | Disconnect
    | AnswerEnrolment
    | Answer
    | Query
    | Fetch
    | Subscribe
    | Publish
    | Report
    | Count
    | ReadSource
    | Render
    | WriteKeys
    | StartAfresh
)
