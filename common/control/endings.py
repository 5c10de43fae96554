"""Which reply is the last one to a request; both ends of the socket have to agree on it."""

from limpet.common.control.replies import Event, JobOutput, JobStored, JobUpdate, Reply
from limpet.common.control.requests import Request, RunJob, WatchJob


def is_last(request: Request, reply: Reply) -> bool:
    """Say whether nothing follows this reply to the request.

    A stream of events has no last reply: the client ends it.
    """
    if isinstance(reply, JobStored):
        return not (isinstance(request, (RunJob, WatchJob)) and request.is_followed)
    return not isinstance(reply, (JobUpdate, JobOutput, Event))
