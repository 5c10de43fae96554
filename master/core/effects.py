"""What the master's core asks of its shell. Carried out in the order given.

An effect with `after` waits until the store has made that commit durable (0: at once). Effects are
made by the thousand and hold no cycles, so the garbage collector leaves them alone.
"""

from typing import NewType

import msgspec

from limpet.common.control.replies import Event, Reply, Status
from limpet.common.control.requests import Request
from limpet.common.identifiers import Commit, JobId, MinionId, MinionKey
from limpet.common.messages.enrolment import EnrolAnswer
from limpet.common.messages.fields import Message
from limpet.master.files.reads import Work
from limpet.master.master_keys.key_work import KeyWork
from limpet.master.store.operations import Operation

NOW = Commit(0)
"""Wait for no commit."""

Peer = NewType("Peer", bytes)
"""One connection on the main port. Secret: never in a reply, an error, a log or a metric."""

Client = NewType("Client", int)
"""One connection on the Unix socket of the command line."""


class Persist(msgspec.Struct, frozen=True, gc=False):
    """Commit the operations as one transaction; answer with `on_committed(commit)`.

    The shell may put several together into one fsync.
    """

    commit: Commit
    operations: tuple[Operation, ...]


class Send(msgspec.Struct, frozen=True, gc=False):
    """Send to one connection without ever blocking; failures come as `on_send_failed(peer, …)`."""

    peer: Peer
    key: MinionKey
    message: Message
    after: Commit = NOW


class Disconnect(msgspec.Struct, frozen=True, gc=False):
    """Shut this one connection down, within the same turn of the loop."""

    peer: Peer
    reason: str


class AnswerEnrolment(msgspec.Struct, frozen=True, gc=False):
    """Answer a question that came through the enrol process, if it still waits."""

    handle: int
    answer: EnrolAnswer
    after: Commit = NOW


class Answer(msgspec.Struct, frozen=True, gc=False):
    """Tell a client of the Unix socket something; dropped if it has gone."""

    client: Client
    reply: Reply
    after: Commit = NOW


class Query(msgspec.Struct, frozen=True, gc=False):
    """Let the store answer a reading request outside the loop, straight to the client.

    Read once commit `after` is durable. What is answered to this client by later effects waits
    until this has been answered: each client hears things in the order of the effects.
    `WatchJob` is answered by `JobStored`, and by `JobEnded` after it if it asks to follow.
    """

    client: Client
    request: Request
    after: Commit = NOW


class Fetch(msgspec.Struct, frozen=True, gc=False):
    """Read one minion's result with its body (it came in bulk) and answer with a `JobUpdate`.

    Ordered and held back as `Query` is.
    """

    client: Client
    jid: JobId
    minion: MinionId
    after: Commit = NOW


class Subscribe(msgspec.Struct, frozen=True, gc=False):
    """From now on this client is given every event, until it goes.

    Its queue is bounded by the shell; a client that does not read is cut, saying so.
    """

    client: Client


class Publish(msgspec.Struct, frozen=True, gc=False):
    """Give an event to all who follow `limpet events`, and to the log at `info`."""

    event: Event
    after: Commit = NOW


class DeliveryEnded(msgspec.Struct, frozen=True, gc=False):
    """A delivery has a final status, whoever said it: to be counted, and told as `return_event`.

    There is one for each minion of each job: the event is made only where somebody takes it.
    """

    jid: JobId
    minion: MinionId
    status: Status
    function: str
    created_s: float
    """When the job was made; wall time, as `at_s`."""
    at_s: float
    after: Commit = NOW


class Report(msgspec.Struct, frozen=True, gc=False):
    """A line for the log; the shell rate-limits equal `topic`s to one a minute."""

    level: str
    topic: str
    text: str


class Count(msgspec.Struct, frozen=True, gc=False):
    """Add one to the counter `limpet_master_rejected_total{reason=…}`."""

    reason: str


class ReadSource(msgspec.Struct, frozen=True, gc=False):
    """Have something of the file roots read outside the loop; answer `on_source_read(…)`."""

    ticket: int
    work: Work


class Render(msgspec.Struct, frozen=True, gc=False):
    """Have a minion's pillar rendered outside the loop; answer `on_rendered(…)`, once."""

    number: int
    minion: MinionId
    arguments: bytes
    """As the minion sent them, or MessagePack of `limpet.master.pillar.messages.Wanted`."""


class WriteKeys(msgspec.Struct, frozen=True, gc=False):
    """Have the master's key files written outside the loop; answer `on_keys_written(…)`, once."""

    work: KeyWork


class StartAfresh(msgspec.Struct, frozen=True, gc=False):
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
    | DeliveryEnded
    | Report
    | Count
    | ReadSource
    | Render
    | WriteKeys
    | StartAfresh
)
