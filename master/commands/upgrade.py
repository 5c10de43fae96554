"""`limpet upgrade`: another version of the minion's package, batch by batch, with a way back."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

import click

from limpet.common.control.packages import PackageInfo
from limpet.common.control.replies import MinionRow
from limpet.common.errors import ExitCode, UsageError
from limpet.common.terminal.colors import Palette
from limpet.common.terminal.escape import cut_line
from limpet.common.terminal.group import DURATION, format_option
from limpet.common.terminal.session import Session, complain
from limpet.master.client.client import Client
from limpet.master.client.errors import NoMinionMatched
from limpet.master.client.following import Following
from limpet.master.client.results import JobResult, MinionAnswer
from limpet.master.commands.run import check_batch
from limpet.master.commands.shared.output import write_document
from limpet.master.commands.shared.target_options import kind_of, target_options
from limpet.master.jobs.batch import batch_size_of
from limpet.master.upgrading.rollout import FAILURES, Outcome, Rollout, Verdict

INTERRUPTED: Final = 130
CORRECTED_S: Final = 180.0
"""How long a minion that is `lost` is waited for, besides the time to be READY, twice: one that
goes back to its old version is away for longer than the master waits."""
LOOK_S: Final = 2.0
_COLORS: Final[Mapping[Verdict, str]] = {
    "upgraded": "green",
    "already there": "green",
    "offline": "yellow",
    "not tried": "yellow",
}
_OFFLINE: Final = ("offline", "never seen")

EPILOG = """\b
Examples:
  limpet upgrade '*' --package limpet-minion_0.2.0_amd64.deb
  limpet upgrade 'web*' --version 0.2.0 --batch 5 --max-failures 2
  limpet upgrade -G os:Debian --version 0.2.0 --ready-timeout 2m --format json"""


@click.command(name="upgrade", epilog=EPILOG)
@click.argument("target", metavar="TARGET")
@click.option("--package", "path", metavar="FILE", help="The package; the master keeps it.")
@click.option("--version", "version", metavar="V", help="A package that the master has kept.")
@click.option(
    "-b",
    "--batch",
    default="10%",
    show_default=True,
    metavar="N|N%",
    help="So many minions at once; the next batch begins when all of them are done.",
)
@click.option(
    "--max-failures",
    "failures_max",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Begin no further batch when more than N minions failed.",
)
@click.option(
    "--ready-timeout",
    "ready_timeout_s",
    type=DURATION,
    default="60s",
    show_default=True,
    metavar="S",
    help="How long the new version may take to be READY, else the old one is put back.",
)
@click.option(
    "-t",
    "--timeout",
    "timeout_s",
    type=DURATION,
    metavar="S",
    help="How long to wait here in all; upgrades that have begun go on.",
)
@format_option("text", "json", "yaml", text="Text as minions are done, or one document at the end.")
@target_options
def command(
    target: str,
    path: str | None,
    version: str | None,
    batch: str,
    failures_max: int,
    ready_timeout_s: float,
    timeout_s: float | None,
    form: str,
    **chosen: bool,
) -> int:
    """Upgrade the package limpet-minion on all minions that TARGET matches.

    Each minion fetches the package from the master, installs it outside of itself and restarts. If
    the new version is not READY in time, or does not stay so, the minion puts the old one back and
    says why. Minions that have the version already, and those that are offline, are left alone.
    """
    kind = kind_of(chosen)
    check_batch(batch)
    if not 1 <= ready_timeout_s <= 3600:
        raise UsageError("--ready-timeout: between 1 second and 1 hour are expected")
    if (path is None) == (version is None):
        raise UsageError("say what to install: either --package FILE or --version V")
    session = Session.current()
    with Client(session.root, on_notice=session.note) as client:
        package, protocol = _package(client, path, version)
        rows = client.minions(target, kind)
        if not rows:
            raise NoMinionMatched(f"no minion matches {target!a}")
        names, known = _sorted_out(rows, package.version)
        rollout = Rollout(
            names,
            batch_size=max(1, batch_size_of(batch, len(names)) or len(names)),
            failures_max=failures_max,
        )
        for name, outcome in known.items():
            rollout.note(name, outcome)
        shown = _Shown(session, form)
        for name, outcome in known.items():
            shown.tell(name, outcome)
        keywords = {"ready_timeout": ready_timeout_s, "master_protocol": protocol}
        rolling = _Rolling(client, rollout, shown, package.sha256, keywords, timeout_s)
        is_interrupted = rolling.run()
    return _sum_up(session, form, package, rollout, is_interrupted=is_interrupted)


def _package(client: Client, path: str | None, version: str | None) -> tuple[PackageInfo, str]:
    """Hand the file over, or find the version in its store."""
    if path is not None:
        kept = client.keep_package(path)
        return kept.package, kept.master_protocol
    found = client.packages()
    fitting = [each for each in found.packages if each.version == version]
    if len({each.architecture for each in fitting}) > 1:
        kinds = ", ".join(sorted(each.architecture for each in fitting))
        raise UsageError(
            f"the master keeps {version} for {kinds}: target the hosts of one of them, and give "
            "its file with --package"
        )
    if not fitting:
        kept_versions = ", ".join(each.version for each in found.packages) or "none"
        raise UsageError(
            f"the master keeps no package of version {version!a} (it has: {kept_versions}): "
            "hand it over with --package FILE"
        )
    return client.confirm_package(fitting[0]), found.master_protocol


def _sorted_out(rows: Iterable[MinionRow], version: str) -> tuple[list[str], dict[str, Outcome]]:
    """Give who is to be upgraded, and what is known of the others already."""
    names: list[str] = []
    known: dict[str, Outcome] = {}
    for row in rows:
        if row.state in _OFFLINE:
            known[row.minion] = Outcome("offline", old=row.version)
        elif row.state == "ready" and row.version == version:
            known[row.minion] = Outcome("already there", old=version, new=version)
        else:
            names.append(row.minion)
    return names, known


class _Rolling:
    """One batch after the other, until there is none."""

    def __init__(
        self,
        client: Client,
        rollout: Rollout,
        shown: _Shown,
        sha256: str,
        keywords: Mapping[str, Any],
        timeout_s: float | None,
    ) -> None:
        self._client = client
        self._rollout = rollout
        self._shown = shown
        self._sha256 = sha256
        self._keywords = dict(keywords)
        self._end = float("inf") if timeout_s is None else time.monotonic() + timeout_s

    def run(self) -> bool:
        """Begin batches as long as they may; True: Ctrl-C ended it."""
        following: Following | None = None
        try:
            while time.monotonic() < self._end and (batch := self._rollout.next_batch()):
                self._shown.begin(batch)
                following = self._client.start(
                    ",".join(batch),
                    "limpet.upgrade",
                    self._sha256,
                    keywords=self._keywords,
                    kind="list",
                    timeout_s=None if self._end == float("inf") else self._end - time.monotonic(),
                )
                with following:
                    self._follow(following)
        except KeyboardInterrupt:
            if following is not None and following.jid is not None:
                for answer in following.result().minions.values():
                    self._note(answer, following.jid, is_last=True)
            return True
        return False

    def _follow(self, following: Following) -> None:
        result = following.wait_stored()
        for change in following:
            if isinstance(change, MinionAnswer) and change.is_final and change.status != "lost":
                self._note(change, result.jid, is_last=False)
        result = self._corrected(following.result())
        for answer in result.minions.values():
            self._note(answer, result.jid, is_last=True)

    def _corrected(self, result: JobResult) -> JobResult:
        """Wait for minions that the master has given up: they come back, one way or the other."""
        patience_s = CORRECTED_S + 2 * float(self._keywords["ready_timeout"])
        end = min(self._end, time.monotonic() + patience_s)
        while any(each.status == "lost" for each in result.minions.values()):
            if time.monotonic() >= end:
                break
            time.sleep(LOOK_S)
            result = self._client.show(result.jid)
        return result

    def _note(self, answer: MinionAnswer, jid: str, *, is_last: bool) -> None:
        outcome = outcome_of(answer, jid)
        is_open = outcome.verdict == "no result" and not is_last
        if is_open or self._rollout.outcomes.get(answer.minion) == outcome:
            return
        self._rollout.note(answer.minion, outcome)
        self._shown.tell(answer.minion, outcome)


def outcome_of(answer: MinionAnswer, jid: str) -> Outcome:
    """Say what an answer of `limpet.upgrade` means."""
    value = answer.value if isinstance(answer.value, dict) else {}
    old, new = str(value.get("old", "")), str(value.get("new", ""))
    if answer.status == "ok":
        verdict: Verdict = "already there" if old == new else "upgraded"
        seconds = value.get("seconds")
        took_s = float(seconds) if isinstance(seconds, int | float) else None
        notices = value.get("notices")
        error = "; ".join(map(str, notices)) if isinstance(notices, list) else ""
        return Outcome(verdict, old, new, took_s, error, jid)
    if answer.status in ("offline", "expired"):
        return Outcome("offline", error=answer.error, jid=jid)
    if answer.status in ("lost", "running", "queued"):
        return Outcome("no result", error=answer.error or answer.status, jid=jid)
    if answer.status == "interrupted":  # the updater outlives the job, and a power cut too
        told = f"{answer.error}; how it ended: limpet run {answer.minion} limpet.last_upgrade"
        return Outcome("no result", error=told, jid=jid)
    is_back = answer.error.startswith("rolled back to ")
    return Outcome("rolled back" if is_back else "failed", error=answer.error, jid=jid)


class _Shown:
    """What a person sees while it goes on."""

    def __init__(self, session: Session, form: str) -> None:
        self._session = session
        self._is_text = form == "text"
        self._palette = session.palette if self._is_text else Palette(False)

    def begin(self, batch: tuple[str, ...]) -> None:
        """Say who is upgraded now."""
        more = f" and {len(batch) - 5} more" if len(batch) > 5 else ""
        self._session.note(f"upgrading {', '.join(batch[:5])}{more}")

    def tell(self, minion: str, outcome: Outcome) -> None:
        """Say how it went on one minion."""
        if self._is_text:
            name = self._palette.paint("cyan", f"{cut_line(minion)}:")
            words = self._palette.paint(_COLORS.get(outcome.verdict, "red"), _words(outcome))
            sys.stdout.write(f"{name} {words}\n")
            sys.stdout.flush()


def _words(outcome: Outcome) -> str:
    error = cut_line(outcome.error)
    if outcome.verdict == "upgraded":
        took = "" if outcome.seconds is None else f" (READY after {outcome.seconds:g} s)"
        more = f"; {error}" if error else ""
        return f"upgraded from {outcome.old} to {outcome.new}{took}{more}"
    if outcome.verdict == "already there":
        return f"already there ({outcome.new})"
    if outcome.verdict == "rolled back" and error:
        return error
    return f"{outcome.verdict}: {error}" if error else outcome.verdict


def _sum_up(
    session: Session, form: str, package: PackageInfo, rollout: Rollout, *, is_interrupted: bool
) -> int:
    counts = rollout.counts()
    if form != "text":
        write_document(document(package, rollout), form)
    text = ", ".join(f"{number} {verdict}" for verdict, number in counts.items())
    session.note(f"{package.name} {package.version}: {text}")
    if is_interrupted:
        complain(
            "interrupted; minions that have begun go on: limpet run TARGET limpet.last_upgrade"
        )
        return INTERRUPTED
    if rollout.is_stopped and counts.get("not tried"):
        complain(
            f"{rollout.failures} failed, so no further batch was begun: look at one of them, then "
            "say how many may fail with --max-failures"
        )
    if counts.get("rolled back") or counts.get("failed"):
        return int(ExitCode.FAILED)
    is_all = not FAILURES.union(("offline", "not tried")).intersection(counts)
    return int(ExitCode.OK if is_all else ExitCode.NO_RESULT)


def document(package: PackageInfo, rollout: Rollout) -> dict[str, Any]:
    """Give all of it as data."""
    minions: dict[str, dict[str, Any]] = {}
    for name, outcome in sorted(rollout.outcomes.items()):
        minions[name] = {
            "status": outcome.verdict,
            "old": outcome.old or None,
            "new": outcome.new or None,
            "seconds": outcome.seconds,
            "error": outcome.error,
            "jid": outcome.jid or None,
        }
    return {
        "package": {
            "name": package.name,
            "version": package.version,
            "architecture": package.architecture,
            "sha256": package.sha256,
        },
        "minions": minions,
    }
