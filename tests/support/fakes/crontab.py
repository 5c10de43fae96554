"""A made-up `crontab`, and a table that has all that can stand in one."""

from dataclasses import dataclass, field

from limpet.states.functions.cron.tab import MARK
from limpet.states.ports.machine import Command, Completed
from support.fakes.host import FakeCommands, FakeHost

TAB = f"""# mine
MAILTO=me
0 1 * * * /bin/foreign
{MARK}
PATH=/bin
# nightly SALT_CRON_IDENTIFIER:n1
0 3 * * 1 /bin/night
# SALT_CRON_IDENTIFIER:/bin/two
5 4 * * * /bin/two
# SALT_CRON_IDENTIFIER:off
#DISABLED#1 1 1 1 1 /bin/off
*/5 * * * * /bin/bare
# SALT_CRON_IDENTIFIER:boot
@reboot /bin/boot
"""


@dataclass
class FakeCrontab:
    """Answers `crontab`: one text for each user; a line with `bad` is refused."""

    tabs: dict[str, str] = field(default_factory=dict)
    writes: int = 0

    def host(self) -> FakeHost:
        return FakeHost(FakeCommands({"crontab": "/usr/bin/crontab"}, self.answer))

    def answer(self, command: Command) -> Completed:
        _, _, user, what = command.argv
        if user == "nope":
            return Completed(1, 1, b"", b"crontab:  user `nope' unknown\n")
        if what == "-l":
            if user not in self.tabs:
                return Completed(1, 1, b"", f"no crontab for {user}\n".encode())
            return Completed(1, 0, self.tabs[user].encode(), b"")
        text = (command.stdin or b"").decode()
        if "bad" in text:
            return Completed(1, 1, b"", b'"-":3: bad minute\n')
        self.tabs[user] = text
        self.writes += 1
        return Completed(1, 0, b"", b"")
