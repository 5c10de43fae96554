"""How the states of minions and jobs are put into words, the same in every command."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from limpet.common.terminal.colors import Palette
from limpet.common.terminal.escape import cut_line
from limpet.common.terminal.highstate import USUAL, Look, shown_value
from limpet.common.terminal.times import duration_text, iso_utc, since_text
from limpet.master.client.results import JobResult, MinionAnswer

ORDER: Final = (
    "ok",
    "failed",
    "refused",
    "interrupted",
    "cancelled",
    "running",
    "queued",
    "offline",
    "lost",
    "expired",
)
"""In which order statuses are listed."""

COLORS: Final[Mapping[str, str]] = {
    "ok": "green",
    "running": "yellow",
    "queued": "yellow",
    "offline": "yellow",
    "expired": "yellow",
    "lost": "red",
}


def answer_lines(
    answer: MinionAnswer, palette: Palette, now_s: float, look: Look = USUAL
) -> Iterator[str]:
    """Give one minion's answer in the look of Salt: its id, then the value or what is known."""
    is_well = answer.status == "ok"
    yield palette.paint("cyan" if is_well else "red", f"{cut_line(answer.minion)}:")
    if has_return(answer):
        yield from shown_value(answer.minion, answer.value, palette, look=look)
    if answer.is_cut:
        yield palette.paint("yellow", "    (cut: the return was too large)")
    if not is_well or answer.error:  # of a return that can't be read, the reason is told
        color = "yellow" if is_well else COLORS.get(answer.status, "red")
        yield "    " + palette.paint(color, condition(answer, now_s))


def condition(answer: MinionAnswer, now_s: float) -> str:
    """Give the status in words: `offline since 12:00:00 (3 min): …`, `failed: …`."""
    words: str = answer.status
    if answer.status in ("offline", "lost", "running", "queued", "expired"):
        since = since_text(answer.since_s, now_s)
        if answer.status == "offline" and not since:
            since = "(never seen)"
        words = f"{words} {since}" if since else words
    error = cut_line(error_text(answer))
    return f"{words}: {error}" if error not in ("", answer.status) else words


def has_return(answer: MinionAnswer) -> bool:
    """Say whether there is a return to show; a function that failed has said nothing by None."""
    is_silent = answer.value is None and answer.status != "ok" and answer.error != ""
    return answer.has_value and not is_silent


def error_text(answer: MinionAnswer) -> str:
    """Give why the status is not `ok`; where nobody said it, the exit code is the reason."""
    if not answer.error and answer.status == "failed" and answer.retcode:
        return f"exit code {answer.retcode}"
    return answer.error


def counts_text(counts: Mapping[str, int]) -> str:
    """Give `8 ok, 1 failed, 1 offline`."""
    return ", ".join(f"{counts[status]} {status}" for status in ORDER if counts.get(status))


def counts_of(answers: Iterable[MinionAnswer]) -> dict[str, int]:
    """Count answers by status."""
    counts: dict[str, int] = {}
    for answer in answers:
        counts[answer.status] = counts.get(answer.status, 0) + 1
    return counts


def names_text(names: Iterable[str], most: int = 5) -> str:
    """Give at most so many names, and how many more there are."""
    listed = sorted(names)
    shown = ", ".join(listed[:most])
    return f"{shown} and {len(listed) - most} more" if len(listed) > most else shown


def progress_text(answers: Iterable[MinionAnswer], now_s: float) -> str:
    """Give the text of the live line: how many have answered, who is running and for how long."""
    known = list(answers)
    done = sum(answer.is_final for answer in known)
    words = [f"{done} of {len(known)} answered"]
    running = [answer for answer in known if answer.status == "running"]
    if running:
        began = min(answer.started_s or answer.since_s for answer in running)
        names = names_text([answer.minion for answer in running], 3)
        words.append(f"running for {duration_text(now_s - began)}: {names}")
    queued = [answer.minion for answer in known if answer.status == "queued"]
    if queued:
        words.append(f"queued: {names_text(queued, 3)}")
    return " · ".join(words)


def job_data(result: JobResult) -> dict[str, Any]:
    """Give the job in the shape of the contract: jid, and each minion's status and return."""
    return {
        "jid": result.jid,
        "minions": {name: answer_data(answer) for name, answer in result.minions.items()},
    }


def answer_data(answer: MinionAnswer) -> dict[str, Any]:
    """Give one minion's part: `status`, `return`, `error`, `since` (ISO 8601, UTC)."""
    data: dict[str, Any] = {
        "status": answer.status,
        "return": answer.value,
        "error": error_text(answer) or None,
        "since": iso_utc(answer.since_s),
    }
    if answer.is_cut:
        data["is_cut"] = True
    return data


def bare_value(answer: MinionAnswer) -> Any:  # noqa: ANN401
    """Give what stands for one minion in Salt's bare output: its return, or text in its place."""
    if has_return(answer):
        return answer.value
    if answer.status == "ok":
        return f"ERROR: {answer.error}" if answer.error else None
    if answer.status in ("failed", "refused", "interrupted", "cancelled"):
        return f"ERROR: {error_text(answer) or answer.status}"
    since = iso_utc(answer.since_s)
    words = f"{answer.status} since {since}" if since else answer.status
    return f"Minion did not return. [{words}]"
