"""A crontab with the part that is managed: read, changed, written; pure.

Above the mark stands what is the user's own, kept as it is. Below it every job has a line before it
with its identifier and comment. The marks are Salt's, so that existing crontabs go on working.

    # Lines below here are managed by Salt, do not edit
    PATH=/bin
    # a comment SALT_CRON_IDENTIFIER:backup
    0 3 * * 1 /usr/local/bin/backup
    # SALT_CRON_IDENTIFIER:boot
    @reboot /usr/local/bin/announce
"""

from dataclasses import dataclass, field
from typing import Any, Final

from limpet.states.data.lines import lines_of

MARK: Final = "# Lines below here are managed by Salt, do not edit"
IDENTIFIER: Final = "SALT_CRON_IDENTIFIER"
_ALIKE: Final = ("# Lines below here are managed by limpet, do not edit",)
_OFF: Final = "#DISABLED#"
TIMES: Final = ("minute", "hour", "daymonth", "month", "dayweek")


@dataclass(frozen=True, slots=True)
class Job:
    """One job; `special` (`@daily`) stands in the place of the times."""

    command: str
    times: tuple[str, ...] = ("*",) * 5
    special: str = ""
    identifier: str | None = None
    comment: str | None = None
    is_off: bool = False

    def data(self) -> dict[str, Any]:
        """Give Salt's mapping."""
        more = {
            "identifier": self.identifier,
            "cmd": self.command,
            "comment": self.comment,
            "commented": self.is_off,
        }
        if self.special:
            return {"spec": self.special, **more}
        return {**dict(zip(TIMES, self.times, strict=True)), **more}

    def is_meant(self, command: str, identifier: str | None) -> bool:
        """Say whether this is the job of that identifier, or else of that command.

        A job whose identifier is its command, or that has none, is found by the command too.
        """
        if identifier is not None and self.identifier == identifier:
            return True
        has_own = self.identifier not in (None, self.command)
        return not has_own and self.command == command

    def lines(self) -> list[str]:
        """Give its lines."""
        found = []
        if self.comment is not None or self.identifier:
            words = [each.replace("\n", "\n# ") for each in [self.comment or ""] if each]
            words += [f"{IDENTIFIER}:{self.identifier}"] if self.identifier else []
            found.append(" ".join(["#", *words]))
        off = _OFF if self.is_off else ""
        found.append(f"{off}{self.special or ' '.join(self.times)} {self.command}")
        return found


@dataclass(slots=True)
class Tab:
    """One crontab."""

    own: list[str] = field(default_factory=list)
    """The lines above the mark."""
    variables: dict[str, str] = field(default_factory=dict)
    jobs: list[Job] = field(default_factory=list)

    def data(self) -> dict[str, Any]:
        """Give Salt's mapping."""
        return {
            "pre": self.own,
            "crons": [each.data() for each in self.jobs if not each.special],
            "special": [each.data() for each in self.jobs if each.special],
            "env": [{"name": name, "value": value} for name, value in self.variables.items()],
        }

    def text(self) -> str:
        """Give the whole crontab."""
        lines = [*self.own, MARK]
        lines += [f"{name}={value}" for name, value in self.variables.items()]
        for is_special in (False, True):
            for job in self.jobs:
                if bool(job.special) is is_special:
                    lines += job.lines()
        return "".join(f"{line}\n" for line in lines)

    def find(self, command: str, identifier: str | None) -> Job | None:
        """Find a job by its identifier, or else by its command."""
        by_identifier = [each for each in self.jobs if identifier and each.identifier == identifier]
        meant = [each for each in self.jobs if each.is_meant(command, identifier)]
        return next(iter([*by_identifier, *meant]), None)


def parse(text: str) -> Tab:
    """Read a crontab; lines below the mark that are no job, variable or mark are dropped."""
    tab = Tab()
    is_managed = False
    comment: str | None = None
    identifier: str | None = None
    for line in lines_of(text):
        if line in (MARK, *_ALIKE):
            is_managed = True
        elif not is_managed:
            tab.own.append(line)
        elif line.startswith("#") and not line.startswith(_OFF):
            before, has_mark, after = line.partition(IDENTIFIER)
            told = before.lstrip("#").strip()
            comment = told if comment is None else f"{comment}\n{told}"
            if has_mark:
                comment = comment.rstrip("\n")
                identifier = after.lstrip(":").strip() or None
        else:
            if job := _job(line, identifier, comment):
                tab.jobs.append(job)
            elif "=" in line:
                name, _, value = line.partition("=")
                tab.variables[name.strip()] = value.strip()
            comment = identifier = None
    return tab


def _job(line: str, identifier: str | None, comment: str | None) -> Job | None:
    is_off = line.startswith(_OFF)
    whole = line.removeprefix(_OFF).strip()
    if whole.startswith("@"):
        special, _, command = whole.partition(" ")
        return Job(command.strip(), special=special, identifier=identifier, comment=comment,
                   is_off=is_off)  # fmt: skip
    words = whole.split(None, 5)
    if len(words) < 6 or "=" in words[0]:
        return None
    return Job(words[5], tuple(words[:5]), "", identifier, comment, is_off)
