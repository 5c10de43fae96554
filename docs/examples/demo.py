"""The demo: a master and three minions on this machine, and a master killed in mid-job.

Every step is the real command, shown before it runs. Everything lives in one temporary folder and
on loopback, and is gone afterwards. Ends with 0 only if every job is accounted for.

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

LIMPET = Path(sys.executable).with_name("limpet")
MINIONS = ("web1", "web2", "db1")
STEP_LIMIT_S = 40.0


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
        (self.master_root / "master.yaml").write_text(
            f"listen: 127.0.0.1\nport: {port}\nenrol_port: {enrol_port}\n"
        )

    def say(self, text: str) -> None:
        """Tell the story."""
        print(f"\n[{time.monotonic() - self.began:5.1f} s] {text}", flush=True)

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

    demo.say("A state: it looks, changes what is not as it should be, and says what it did.")
    state = ("state.single", "file.managed", f"name={demo.folder}/motd", "contents=welcome")
    demo.run("run", "web1", *state)
    demo.say("Once more: nothing is left to do.")
    demo.run("run", "web1", *state)

    demo.say("A job of six seconds on all three; the master dies two seconds into it (kill -9).")
    ledger = demo.folder / "ledger"
    job = f"sleep 6; echo ran >> {ledger}.$(cat /proc/sys/kernel/random/uuid)"
    print(f"  $ limpet run '*' cmd.run '{job}'", flush=True)
    following = subprocess.Popen(
        demo.command("run", "*", "cmd.run", job), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    time.sleep(2.0)
    demo.say("kill -9 master. The minions go on working; the command above goes on waiting.")
    demo.kill("master")
    time.sleep(2.0)
    demo.say("The master starts again. Nobody touches a minion.")
    demo.start_master()
    output, _ = following.communicate(timeout=STEP_LIMIT_S)
    print(indent(output.decode()))
    if following.returncode != 0:
        raise SystemExit(f"the command ended with {following.returncode}")
    times = len(list(demo.folder.glob("ledger.*")))
    demo.say(f"The job ran {times} times: once on each of the {len(MINIONS)} minions.")
    if times != len(MINIONS):
        raise SystemExit("a job was lost, or ran twice")

    demo.say("A host dies in mid-job (kill -9 of everything on web2) and comes back.")
    jid = demo.run("run", "--async", "web2", "cmd.run", "sleep 30", is_shown=False).strip()
    print(f"  $ limpet run --async web2 cmd.run 'sleep 30'\n    {jid}")
    demo.wait(
        "the job runs",
        lambda: '"running"' in demo.run("jobs", "show", jid, "--format", "json", is_shown=False),
    )
    demo.kill("web2")
    demo.start_minion("web2")
    demo.run("jobs", "wait", jid, expected=1)
    demo.say("It is reported as what it is: interrupted. It is not run again by itself.")

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
