"""The demo: a master and three minions on this machine, and a master killed in mid-run.

Every step is the real command, shown before it runs. The states are the example tree that ships
(`states/examples`); each minion applies them below a folder of its own. Everything lives in one
temporary folder and on loopback, and is gone afterwards. Ends with 0 only if every job is accounted
for.

    python docs/examples/demo.py
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import limpet.states

LIMPET = Path(sys.executable).with_name("limpet")
MINIONS = ("web1", "web2", "db1")
EXAMPLES = Path(limpet.states.__path__[0]) / "examples"
STEP_LIMIT_S = 40.0

HOST = """
root: {folder}/hosts/{{{{ grains['id'] }}}}
manage_system: False
purpose: a host of the demo
contact: nobody
"""
"""Pillar that stands before the example's own host.sls: where files go, and nothing but files."""

ROLLOUT = """
# All states of the host, with time to drain before them and to settle after them.
{%- set mark = 'mktemp ' ~ pillar['ledger'] %}
include: {{ ['base', 'users', 'web'] if grains['id'].startswith('web') else ['base', 'users'] }}

drain:
  cmd.run:
    - name: {{ mark }}/draining.XXXXXXXX; sleep {{ pillar.get('drain_s', 0) }};
        {{ mark }}/drained.XXXXXXXX
    - order: first

settle:
  cmd.run:
    - name: {{ mark }}/settling.XXXXXXXX; sleep {{ pillar.get('settle_s', 0) }}
    - order: last
"""
"""States of the demo itself, beside the example's: two steps that take time."""


class Demo:
    """The processes of the demo and the folder they live in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.master_root = folder / "master"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.began = time.monotonic()
        port, enrol_port = free_ports()
        self.address = f"127.0.0.1:{port}"
        self.enrol_port = enrol_port
        self.master_root.mkdir(mode=0o700)
        for name in ("states", "pillar", "ledger"):
            (folder / name).mkdir()
        self.pillar("host", HOST.format(folder=folder) + f"ledger: {folder}/ledger\n")
        (folder / "states" / "rollout.sls").write_text(ROLLOUT)
        (self.master_root / "master.yaml").write_text(
            f"listen: 127.0.0.1\nport: {port}\nenrol_port: {enrol_port}\n"
            f"file_roots:\n  base: [{EXAMPLES}/states, {folder}/states]\n"
            f"pillar_roots:\n  base: [{folder}/pillar, {EXAMPLES}/pillar]\n"
            "pillar_secret_keys: ['web:tls:key']\n"
        )

    def say(self, text: str) -> None:
        """Tell the story."""
        print(f"\n[{time.monotonic() - self.began:5.1f} s] {text}", flush=True)

    def pillar(self, name: str, text: str) -> None:
        """Write a pillar file that goes before the example's of that name."""
        (self.folder / "pillar" / f"{name}.sls").write_text(text)

    def blog(self, minion: str) -> str:
        """Give the configuration of a site, as it lies on a web server."""
        place = self.folder / "hosts" / minion / "etc/nginx/sites-enabled/blog.conf"
        return place.read_text()

    def times(self, what: str) -> int:
        """Count how often a step of the roll-out ran, on all hosts together."""
        return len(list(self.folder.glob(f"ledger/{what}.*")))

    def command(self, *arguments: str) -> list[str]:
        """Give the command line for the master's root."""
        return [str(LIMPET), "--root", str(self.master_root), *arguments]

    def run(self, *arguments: str, expected: int = 0, is_shown: bool = True) -> str:
        """Run one limpet command, show it and what it prints, and insist on its exit code."""
        if is_shown:
            print("  $ limpet " + " ".join(quote(word) for word in arguments), flush=True)
        done = subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            timeout=STEP_LIMIT_S,
            check=False,
        )
        if is_shown:
            print(indent(done.stdout + done.stderr), flush=True)
        if done.returncode != expected:
            raise SystemExit(
                f"the command ended with {done.returncode}, not {expected}:\n"
                f"{done.stdout}{done.stderr}"
            )
        return done.stdout

    def start(self, name: str, *arguments: str) -> None:
        """Start a process of the product in its own session, its log in a file."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                arguments, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )

    def start_master(self) -> None:
        """Start the master and wait until it answers."""
        self.start("master", *self.command("master"))
        self.wait("the master answers", lambda: self.succeeds("status"))

    def start_minion(self, name: str, *arguments: str) -> None:
        """Start one minion with a root of its own."""
        root = self.folder / name
        root.mkdir(mode=0o700, exist_ok=True)
        config = root / "minion.yaml"
        if not config.exists():
            config.write_text(
                f"id: {name}\nmaster: {self.address}\nenrol_port: {self.enrol_port}\n"
            )
        self.start(name, str(LIMPET), "--root", str(root), "minion", *arguments)

    def kill(self, name: str) -> None:
        """Kill -9 a process and all that it started."""
        process = self.processes.pop(name)
        for pid in (process.pid, *descendants(process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait(STEP_LIMIT_S)

    def succeeds(self, *arguments: str) -> bool:
        """Say whether a command ends with 0."""
        return (
            subprocess.run(
                self.command(*arguments), capture_output=True, timeout=STEP_LIMIT_S, check=False
            ).returncode
            == 0
        )

    def ready(self) -> int:
        """Count the minions that are READY."""
        rows = json.loads(self.run("minions", "--format", "json", is_shown=False))
        return sum(1 for row in rows["minions"].values() if row["state"] == "ready")

    def wait(self, what: str, is_so: "object") -> None:
        """Wait for a condition, within the limit of a step."""
        deadline = time.monotonic() + STEP_LIMIT_S
        assert callable(is_so)
        while not is_so():
            if time.monotonic() > deadline:
                raise SystemExit(f"waited {STEP_LIMIT_S:.0f} s in vain until {what}")
            time.sleep(0.1)

    def close(self) -> None:
        """End everything."""
        for name in list(self.processes):
            self.kill(name)
        shutil.rmtree(self.folder, ignore_errors=True)


def story(demo: Demo) -> None:
    """Tell it from the beginning."""
    demo.say("A master starts. It makes its keys, opens its store, then its ports.")
    demo.start_master()

    demo.say("A join string lets three minions in, within an hour. It is never sent over the wire.")
    join = demo.run(
        "token", "create", "--ttl", "1h", "--uses", "3", "--id-pattern", "*", is_shown=False
    ).strip()
    print("  $ limpet token create --ttl 1h --uses 3 --id-pattern '*'")
    print(f"    {join[:40]}…")
    for name in MINIONS:
        demo.start_minion(name, "--join", join)
    demo.wait("all minions are READY", lambda: demo.ready() == len(MINIONS))
    demo.run("minions")

    demo.say("A command on all of them.")
    demo.run("run", "*", "test.ping")
    demo.run("run", "web*", "cmd.run", "uname -sr")

    brief = ("--state-output", "terse_id", "--no-state-verbose")
    demo.say(f"The states of {EXAMPLES}: they lie on the master only. What would they do on db1?")
    demo.run("apply", "--test", *brief, "db1")
    if (demo.folder / "hosts").exists():
        raise SystemExit("--test has changed something")
    demo.say("They are applied on all three. The key of the certificate is shown to nobody.")
    demo.run("apply", *brief, "*")
    demo.say("Once more: each state looks, and nothing is left to do.")
    if "changed=" in demo.run("apply", *brief, "*"):
        raise SystemExit("the second run has changed something")

    demo.say("The blog moves to another port: one line of pillar, and two hosts that care.")
    sites = (EXAMPLES / "pillar/sites.sls").read_text()
    demo.pillar("sites", sites.replace("port: 8080", "port: 8081"))
    demo.say("It is rolled out with 4 s to drain; the master dies while hosts wait (kill -9).")
    slow = ("--pillar", '{"drain_s": 4}', "*", "rollout")
    print("  $ limpet apply " + " ".join(quote(word) for word in (*brief, *slow)), flush=True)
    following = subprocess.Popen(
        demo.command("apply", *brief, *slow), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    demo.wait("all hosts drain", lambda: demo.times("draining") == len(MINIONS))
    demo.say("kill -9 master. The runs go on; the command above goes on waiting.")
    demo.kill("master")
    time.sleep(5.0)
    demo.say("The runs are over, on hosts that had nobody to tell. The master starts again.")
    demo.start_master()
    output, _ = following.communicate(timeout=STEP_LIMIT_S)
    print(indent(output.decode()))
    if following.returncode != 0:
        raise SystemExit(f"the command ended with {following.returncode}")
    times = demo.times("drained")
    demo.say(f"It ran {times} times: once on each of the {len(MINIONS)} minions.")
    if times != len(MINIONS):
        raise SystemExit("a run was lost, or ran twice")
    if not all("listen 8081;" in demo.blog(minion) for minion in ("web1", "web2")):
        raise SystemExit("the blog has not moved")

    demo.say("A host dies in mid-run (kill -9 of everything on web2) and comes back.")
    jid = demo.run(
        *("apply", "--async", "--pillar", '{"settle_s": 3}', "web2", "rollout"), is_shown=False
    ).strip()
    print(f"  $ limpet apply --async --pillar '{{\"settle_s\": 3}}' web2 rollout\n    {jid}")
    demo.wait("the run is in its midst", lambda: demo.times("settling") > times)
    demo.kill("web2")
    demo.start_minion("web2")
    demo.run("jobs", "wait", *brief, jid, expected=1)
    demo.say("It is told as what it is: interrupted. It goes on where it was, when you say so.")
    demo.run("apply", *brief, "--resume", jid)
    if demo.times("drained") != times + 1:
        raise SystemExit("what had ended well ran again")

    demo.say("Every job is accounted for:")
    demo.run("jobs", "list")
    demo.run("run", "*", "test.ping")


def free_ports() -> tuple[int, int]:
    """Find two free ports on loopback."""
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


def descendants(pid: int) -> list[int]:
    """List all processes below a process."""
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *descendants(int(child))]
    except FileNotFoundError:
        return found
    return found


def quote(word: str) -> str:
    """Quote a word for display where a shell would need it."""
    return word if word and all(c.isalnum() or c in "-_./:=" for c in word) else f"'{word}'"


def indent(text: str) -> str:
    """Set text off from the story."""
    return "\n".join("    " + line for line in text.rstrip().splitlines())


def main() -> None:
    """Run the demo."""
    demo = Demo(Path(tempfile.mkdtemp(prefix="limpet-demo-")))
    try:
        story(demo)
        demo.say("Done: nobody stranded, nothing lost, nothing run twice.")
    except BaseException:
        for log in sorted(demo.folder.glob("*.log")):
            tail = log.read_text(errors="replace").splitlines()[-15:]
            print(f"\n--- {log.name}\n" + "\n".join(tail), file=sys.stderr)
        raise
    finally:
        demo.close()


if __name__ == "__main__":
    main()
