"""Going on with a run that was cut off, or that had failed: compiled anew, done states left out."""

from typing import Any, Final, cast

from limpet.common.errors import HostError
from limpet.common.identifiers import is_job_id, job_id
from limpet.states.context import FunctionContext
from limpet.states.pillar.secrets import MASK
from limpet.states.runner import journal
from limpet.states.runner.applying import Applying, Results, Wishes
from limpet.states.runner.earlier import Earlier
from limpet.states.runner.following import Asked, Kind
from limpet.states.runner.journal import Recorded

CHAIN_MAX: Final = 100
"""So many times may a run be gone on with."""


def resume(context: FunctionContext, jid: str) -> Results | list[str]:
    """Go on with the run of that job on this minion; give its results, or errors.

    Raises `UsageError` for what is no job id, `HostError` where the run has no journal here.
    """
    recorded = _newest(context, job_id(jid))
    opened = recorded.opened
    if opened.is_hidden:
        raise HostError(
            f"run {opened.jid} can't be resumed: what was given for it (its pillar, or the states "
            "themselves) held secrets, which no journal keeps; apply the states anew"
        )
    wishes = opened.wishes
    if MASK in repr(wishes.get("pillar")):
        raise HostError(
            f"run {opened.jid} was given pillar with secrets, which its journal does not keep: "
            "apply the states anew with that --pillar"
        )
    applying = Applying(
        context,
        Wishes(
            test=opened.is_test,
            saltenv=_text(wishes.get("saltenv")),
            pillarenv=_text(wishes.get("pillarenv")),
            pillar=wishes.get("pillar"),
            exclude=wishes.get("exclude") or (),
            whitelist=wishes.get("whitelist") or (),
            top=_text(wishes.get("top")),
        ),
        earlier=earlier_of(recorded, context),
    )
    return applying.run(Asked(cast("Kind", opened.kind), opened.data, opened.id_))


def earlier_of(recorded: Recorded, context: FunctionContext) -> Earlier:
    """Give what a run that goes on from this journal needs to know of it."""
    broken = [
        tag for tag, each in recorded.done.items() if each["result"] is False and each["changes"]
    ]
    doubtful = {*recorded.opened.doubtful, *recorded.running, *broken}
    for tag, each in recorded.done.items():
        if each["result"] is True:
            doubtful.discard(tag)
    return Earlier(
        jid=recorded.opened.jid,
        results=recorded.done,
        is_test=recorded.opened.is_test,
        doubtful=frozenset(doubtful),
        planned=frozenset(recorded.planned),
        recorded=recorded,
        masked=context.mask,
    )


def _newest(context: FunctionContext, jid: str) -> Recorded:
    """Read the journal of the run, or of the last one that went on from it."""
    directory = journal.directory_of(context.places.state_directory)
    found: Recorded | None = None
    for _ in range(CHAIN_MAX):
        try:
            recorded = journal.read(directory / jid)
        except OSError as error:
            raise HostError(f"cannot read {directory / jid}: {error.strerror}") from error
        if recorded is None:
            break
        found = recorded
        jid = recorded.continued
        if not is_job_id(jid):
            break
    if found is None:
        raise HostError(
            f"this minion has no journal of run {jid}: it did not come as far as its first state, "
            f"or {journal.KEPT_MAX} runs came after it; apply the states anew"
        )
    return found


def _text(value: Any) -> str | None:  # noqa: ANN401
    return None if value is None else str(value)
