"""Secrets of pillar in a real fleet: they reach the files that need them, and nothing shown.

After runs that succeed, fail, raise, stream and are killed, the secrets are looked for in all that
the commands said, in both logs, in the events, and in every file that master and minion keep.
"""

import base64
import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.master.fleet import Fleet, wait_until

PASSWORD = "correct-horse-battery"
MARKED = "tr0ub4dor-and-3"
KEY = """-----BEGIN RSA PRIVATE KEY-----
MIIEowIBAAKCAQEAsecretline1
secretline2/abc+def==
-----END RSA PRIVATE KEY-----
"""
GIVEN = "given-on-the-command-line"
SECRETS = (PASSWORD, MARKED, "MIIEowIBAAKCAQEAsecretline1", "secretline2/abc+def==", GIVEN)

FILES = {
    "pillar/top.sls": "base:\n  '*': [data]\n",
    "pillar/data.sls": f"db:\n  password: {PASSWORD}\n  user: app\nmarked: !secret {MARKED}\n"
    "tls:\n  private_key: |\n" + "".join(f"    {line}\n" for line in KEY.splitlines()),
    "states/good.sls": """
{{ opts.out }}/password:
  file.managed:
    - contents_pillar: db:password
{{ opts.out }}/key:
  file.managed:
    - contents_pillar: tls:private_key
{{ opts.out }}/conf:
  file.managed:
    - contents: |
        password = {{ pillar.db.password }}
        token = {{ pillar.marked }}
""",
    "states/bad.sls": """
fails {{ pillar.db.password }}:
  cmd.run:
    - name: "echo said {{ pillar.db.password }}; echo {{ pillar.marked }} >&2; exit 3"
raises:
  test.configurable_test_state:
    - name: {{ pillar.marked }}
    - result: false
    - changes: true
    - comment: it was {{ pillar.db.password }}
replace:
  file.replace:
    - name: {{ opts.out }}/conf
    - pattern: password = .*
    - repl: password = x{{ pillar.db.password }}
""",
    "states/broken.sls": "{{ pillar.db.password }}:\n  test.nop: {{ nothing }}\n",
}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleet")
    out = tmp_path_factory.mktemp("out")
    running = Fleet(folder)
    for name, text in FILES.items():
        path = running.master.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with (running.master.root / "master.yaml").open("a") as file:
        file.write("pillar_secret_keys: [password, '*_key']\nlog_level: debug\n")
    with running:
        running.start_master()
        running.add_minion("web1", extra=f"log_level: debug\ncustom: {{out: {out}}}\n")
        running.wait_ready(1)
        yield running


class Seen:
    """All that commands said."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.texts: list[str] = []

    def limpet(self, *words: str) -> int:
        done = self.fleet.limpet(*words)
        self.texts += [done.stdout, done.stderr]
        return done.returncode

    def leaks(self, places: list[Path]) -> list[str]:
        """Give where a secret stands."""
        forms = [form for secret in SECRETS for form in (secret, _encoded(secret))]
        found = [
            f"said: …{text[max(0, text.index(form) - 200) :][:400]}"
            for text in self.texts
            for form in forms
            if form in text
        ]
        for place in places:
            for path in place.rglob("*"):
                with contextlib.suppress(OSError):
                    if not path.is_file():
                        continue
                    content = path.read_bytes()
                    found += [f"{path}: {form}" for form in forms if form.encode() in content]
        return [each for each in found if not _is_waiting(each)]


def _is_waiting(leak: str) -> bool:
    """Say whether it is what was given with a command, in the minion's journal of jobs.

    There it lies as it was delivered until the journal is written anew: a job may have to begin
    after a restart. Only root can read it.
    """
    return leak.endswith(f"/journal/journal: {GIVEN}")


def _encoded(secret: str) -> str:
    return base64.b64encode(secret.encode()).decode()


def test_no_secret_stands_in_anything_that_is_shown_or_kept(fleet: Fleet) -> None:
    seen = Seen(fleet)
    out = Path(fleet.limpet("run", "web1", "config.get", "out", "--out", "txt").stdout.split()[-1])
    events: list[str] = []
    with fleet.following("events") as following:
        assert following.stdout is not None
        reader = threading.Thread(target=lambda: events.extend(following.stdout or ()))
        reader.start()
        assert seen.limpet("run", "web1", "state.apply", "good") == 0
        assert (out / "password").read_text().strip() == PASSWORD
        assert (out / "key").read_text() == KEY
        assert MARKED in (out / "conf").read_text()
        for words in (
            ("state.apply", "good", "test=True"),
            ("state.apply", "bad"),
            ("state.apply", "broken"),
            ("state.show_sls", "bad"),
            ("state.show_lowstate",),
            ("pillar.items",),
            ("pillar.raw",),
            ("pillar.get", "db"),
            ("pillar.item", "db:password", "tls:private_key"),
            ("config.get", "db"),
            ("test.echo", "{{ pillar.marked }}"),
            ("cmd.run", "echo {{ pillar.db.password }}", "template=jinja"),
            ("state.apply", "bad", f"pillar={{db: {{password: {GIVEN}}}}}"),
        ):
            seen.limpet("run", "web1", *words)
        seen.limpet("run", "--stream", "web1", "state.apply", "bad")
        seen.limpet("run", "--format", "json", "web1", "state.apply", "bad")
        seen.limpet("apply", "web1", "bad")
        jid = fleet.limpet(
            "run", "--async", "web1", "state.single", "cmd.run", "name=echo {{x}}; sleep 60"
        ).stdout.strip()
        time.sleep(1)
        seen.limpet("jobs", "cancel", jid)
        seen.limpet("jobs", "list")
        for line in fleet.limpet("jobs", "list").stdout.splitlines()[1:]:
            seen.limpet("jobs", "show", line.split()[0], "--format", "json")
        local = fleet.folder / "local"
        (local / "pillar").mkdir(parents=True)
        for name in ("top.sls", "data.sls"):
            (local / "pillar" / name).write_text(FILES[f"pillar/{name}"])
        (local / "minion.yaml").write_text("id: web1\npillar_secret_keys: [password, '*_key']\n")
        done = fleet.limpet("call", "--local", "pillar.items", root=local)
        assert "app" in done.stdout
        seen.texts += [done.stdout, done.stderr]
        following.terminate()
        reader.join(20)
    assert any("job/" in line for line in events)
    seen.texts += ["".join(events), fleet.master.log(), fleet.minions["web1"].log()]
    assert "**********" in "".join(seen.texts)
    wait_until("all jobs are over", lambda: "running" not in fleet.limpet("jobs", "list").stdout)
    minion = fleet.minions["web1"].root
    kept = [minion / "state", minion / "run", minion / "cache", fleet.master.root / "run"]
    leaks = seen.leaks(kept)
    assert not leaks, "\n".join(leaks)
    fleet.master.stop()  # the log of the database is folded in
    leaks = seen.leaks([fleet.master.root / "state", fleet.master.root / "cache"])
    assert not leaks, "\n".join(leaks)


def test_values_are_not_in_the_arguments_of_the_minions_processes(fleet: Fleet) -> None:
    """The jobs are over: nothing of them may stand in a process that lives on."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                told = (entry / "cmdline").read_bytes()
                if str(fleet.folder).encode() in told:
                    assert not any(secret.encode() in told for secret in SECRETS)
