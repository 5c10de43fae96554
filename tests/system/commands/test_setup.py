"""`limpet master setup` and `limpet minion setup`, as a person runs them, without systemd."""

import contextlib
import json
import os
import pty
import random
import shlex
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from limpet.common.crypto.joinstring import make_token
from limpet.common.messages.refusals import with_clock
from limpet.common.transport.sockets import make_keypair
from support.fakes.scripted_master import ScriptedMaster
from support.master.fleet import LIMPET, Fleet, free_port_pair, wait_until

WAIT_S = "30"


class Host:
    """A minion's host: a root folder, `setup` and the daemon."""

    def __init__(self, fleet: Fleet, name: str) -> None:
        self.fleet = fleet
        self.root = fleet.folder / name
        self.root.mkdir(mode=0o700)
        self.file = self.root / "minion.d" / "50-setup.yaml"
        self.join_file = fleet.folder / f"{name}.join"
        self.log = fleet.folder / f"{name}.log"
        self.daemons: list[subprocess.Popen[bytes]] = []

    def setup(
        self, *arguments: str, told: str = "", code: int = 0, starts: bool = False
    ) -> dict[str, Any]:
        """Run the command; with `starts` the daemon is started when the file has been written."""
        command = [LIMPET, "--root", str(self.root), "minion", "setup", "--format", "json"]
        process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.fleet.environment,
        )
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(told)
            process.stdin.close()
        process.stdin = None
        if starts:
            wait_until("the file is written", lambda: self.file.exists() or bool(process.poll()))
            self.start()
        out, err = process.communicate(timeout=60)
        assert process.returncode == code, (process.returncode, out, err)
        shown: dict[str, Any] = json.loads(out) if out else {}
        return {"err": err, **shown}

    def start(self) -> None:
        with self.log.open("ab") as log:
            command = [LIMPET, "--root", str(self.root), "minion"]
            self.daemons.append(
                subprocess.Popen(command, stdout=log, stderr=log, env=self.fleet.environment)
            )

    def stop(self) -> None:
        for daemon in self.daemons:
            daemon.terminate()
            daemon.wait(30)
        self.daemons.clear()


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with Fleet(tmp_path) as made:
        yield made


@pytest.fixture
def host(fleet: Fleet) -> Iterator[Host]:
    made = Host(fleet, "host")
    yield made
    made.stop()


def start_both_ports(fleet: Fleet) -> None:
    """Start the master, and wait for the port of new minions too: it comes a moment later."""
    fleet.start_master()
    wait_until("new minions may ask", lambda: fleet.is_port_open(fleet.enrol_port))


def texts(shown: dict[str, Any], verdict: str = "fail") -> str:
    return "\n".join(
        f"{each['check']}: {each['text']} | {each['advice']}"
        for each in shown["findings"]
        if each["verdict"] == verdict
    )


def test_from_nothing_to_ready_by_the_lines_that_are_printed(tmp_path: Path, fleet: Fleet) -> None:
    """And the join string is out of the file then, and a restart works without it."""
    root = tmp_path / "fresh"
    root.mkdir(mode=0o700)
    port, enrol_port = free_port_pair()
    base = [LIMPET, "--root", str(root), "master"]
    ports = ["--port", str(port), "--enrol-port", str(enrol_port), "--listen", "127.0.0.1"]
    setup = subprocess.Popen(
        [*base, "setup", *ports, "--id-pattern", "web*", "--uses", "2", "--format", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=fleet.environment,
    )
    wait_until("the key is made", (root / "state/master/keys/master.secret").exists)
    with (tmp_path / "fresh.log").open("ab") as log:
        master = subprocess.Popen(base, stdout=log, stderr=log, env=fleet.environment)
    host = Host(fleet, "web1")
    try:
        out, err = setup.communicate(timeout=60)
        assert setup.returncode == 0, (out, err)
        told = json.loads(out)
        assert told["ports"] == [enrol_port, port]
        assert any("ufw allow" in line for line in told["firewall"])
        assert "limpet-minion_" in told["package"]
        assert (root / "states").is_dir()
        assert (root / "pillar").is_dir()
        assert (root / "master.d/50-setup.yaml").stat().st_mode & 0o777 == 0o640
        # The line as it stands there, for this root: an id, and what runs `limpet`.
        assert told["command"].startswith("echo limpet-join-1.")
        line = f"{told['command']} --id web1 --timeout {WAIT_S}"
        path = f"{Path(LIMPET).parent}:{os.environ['PATH']}"
        environment = {**fleet.environment, "PATH": path, "LIMPET_ROOT": str(host.root)}
        joining = subprocess.Popen(
            ["sh", "-c", line], stdout=subprocess.PIPE, text=True, env=environment
        )
        wait_until("the file is written", host.file.exists)
        assert host.file.stat().st_mode & 0o777 == 0o600
        host.start()
        shown, _ = joining.communicate(timeout=60)
        assert joining.returncode == 0, shown
        assert "web1 is READY" in shown
        assert "agrees with the master's" in shown
        assert "join" not in host.file.read_text()
        host.stop()
        again = subprocess.Popen(
            [LIMPET, "--root", str(host.root), "minion", "setup", "--format", "json"],
            stdout=subprocess.PIPE,
            env=fleet.environment,
        )
        host.start()
        ready, _ = again.communicate(timeout=60)
        assert again.returncode == 0
        assert json.loads(ready)["state"] == "ready"
        second = subprocess.run(
            [*base, "setup", "--any-id"], capture_output=True, text=True, env=fleet.environment
        )
        assert second.returncode == 0
        assert "(as it was)" in second.stdout
        assert "1 of 1 minions" in second.stdout
        assert "--join limpet-join-1." in second.stdout
    finally:
        host.stop()
        master.terminate()
        master.wait(30)
        for process in (setup,):
            if process.poll() is None:
                process.kill()


@pytest.mark.covers("R-3.2")
def test_a_damaged_join_string_is_found_before_anything_else(fleet: Fleet, host: Host) -> None:
    join = make_token(make_keypair()[0], random.Random(1)).text()
    shown = host.setup("--master", "nowhere.invalid", "--join", "-", told=join[:-1], code=2)
    assert "join string damaged: it has 133 of 134" in shown["err"]
    assert join[:60] not in shown["err"]
    assert list(host.root.iterdir()) == []


def test_what_is_in_the_way_to_the_master_is_named_and_nothing_is_written(
    fleet: Fleet, host: Host
) -> None:
    start_both_ports(fleet)
    join = fleet.make_token()
    place = f"127.0.0.1:{fleet.port}"
    enrol = ["--enrol-port", str(fleet.enrol_port), "--join", "-"]
    name = host.setup("--master", "nowhere.invalid", *enrol, told=join, code=5)
    assert "names: nowhere.invalid: no such name" in texts(name)
    closed = free_port_pair()[0]
    port = host.setup("--master", f"127.0.0.1:{closed}", *enrol, told=join, code=5)
    assert f"127.0.0.1 port {closed} refused" in texts(port)
    assert "does the master run" in texts(port)
    other = make_token(make_keypair()[0], random.Random(1)).text()
    key = host.setup("--master", place, *enrol, told=other, code=5)
    assert "has another key than" in texts(key)
    assert "keys show --master" in texts(key)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        number = silent.getsockname()[1]
        mute = host.setup(
            "--master", f"127.0.0.1:{number}", "--enrol-port", str(number), "--join", "-",
            told=join, code=5,
        )  # fmt: skip
    assert "does not answer as a limpet master does (silent)" in texts(mute)
    assert list(host.root.iterdir()) == []
    for wrong in (["--master", "http://x"], ["--master", place, "--id", "Web 1!"]):
        host.setup(*wrong, "--join", "-", told=join, code=2)
    assert list(host.root.iterdir()) == []


def test_with_anyway_a_host_joins_when_its_master_comes_back(fleet: Fleet, host: Host) -> None:
    start_both_ports(fleet)
    join = fleet.make_token()
    fleet.master.stop()
    process = subprocess.Popen(
        [
            *(LIMPET, "--root", str(host.root), "minion", "setup", "--anyway", "--join", join),
            *("--master", f"127.0.0.1:{fleet.port}", "--enrol-port", str(fleet.enrol_port)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=fleet.environment,
    )
    wait_until("the file is written", host.file.exists)
    host.start()
    start_both_ports(fleet)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out
    assert "warn  ports" in out
    assert "READY" in out
    assert "could read it for a moment" in err


def test_in_an_image_no_key_is_made(fleet: Fleet, host: Host) -> None:
    join = make_token(make_keypair()[0], random.Random(1)).text()
    shown = host.setup("--master", "192.0.2.1", "--join", "-", "--no-start", told=join)
    assert shown["ok"]
    assert {path.name for path in host.root.rglob("*")} == {"minion.d", "50-setup.yaml"}
    master = subprocess.run(
        [LIMPET, "--root", str(host.root), "master", "setup", "--no-start"],
        capture_output=True,
        text=True,
        env=fleet.environment,
    )
    assert master.returncode == 0
    assert not (host.root / "state").exists()


@pytest.mark.covers("R-3.5")
def test_on_a_terminal_the_join_string_is_asked_for_and_not_shown(fleet: Fleet, host: Host) -> None:
    join = make_token(make_keypair()[0], random.Random(1)).text()
    command = [LIMPET, "--root", str(host.root), "minion", "setup"]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(command[0], [*command, "--master", "192.0.2.1", "--no-start"], os.environ)
    shown = b""
    while b"not shown): " not in shown:
        shown += os.read(terminal, 4096)
    os.write(terminal, f"{join}\n".encode())
    with contextlib.suppress(OSError):  # EIO: it has ended
        while piece := os.read(terminal, 4096):
            shown += piece
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert join[-60:].encode() not in shown
    assert f"join: {join}" in host.file.read_text()


@pytest.mark.covers("R-3.5")
def test_a_join_file_is_private_and_goes_when_it_is_used(fleet: Fleet, host: Host) -> None:
    start_both_ports(fleet)
    where = ["--master", f"127.0.0.1:{fleet.port}", "--enrol-port", str(fleet.enrol_port)]
    arguments = [*where, "--join-file", str(host.join_file), "--id", "web1"]
    host.join_file.write_text(f"{fleet.make_token()}\n")
    host.join_file.chmod(0o644)
    shown = host.setup(*arguments, code=2)
    assert "others may read the secret" in shown["err"]
    host.join_file.chmod(0o600)
    assert host.setup(*arguments, starts=True)["minion"] == "web1"
    assert not host.join_file.exists()
    assert "join" not in host.file.read_text()


def test_why_a_join_string_is_refused_is_told_by_what_to_look_at(fleet: Fleet, host: Host) -> None:
    start_both_ports(fleet)
    where = ["--master", f"127.0.0.1:{fleet.port}", "--enrol-port", str(fleet.enrol_port)]
    once = fleet.make_token(uses=1)
    host.setup(*where, "--id", "web1", "--join", "-", told=once, starts=True)
    taken = Host(fleet, "taken")
    try:
        shown = taken.setup(
            *where, "--id", "web1", "--join", "-", told=fleet.make_token(), starts=True, code=1
        )
        assert shown["state"] == "denied"
        assert "under Conflicts if web1 has another key already" in texts(shown)
        # Doing what it says lets it in, without anybody at the host.
        key = shown["findings"][-1]["advice"].split("shows this key as ")[1].split(",")[0]
        old = fleet.limpet_json("keys", "list")["keys"]
        accepted = [row["fingerprint"] for row in old if row["state"] == "accepted"]
        assert fleet.limpet("keys", "delete", "--yes", *accepted).returncode == 0
        assert fleet.limpet("keys", "accept", "--yes", key).returncode == 0
        taken.stop()  # or wait for a quarter of a minute, until it asks again
        assert taken.setup("--timeout", WAIT_S, starts=True)["state"] == "ready"
    finally:
        taken.stop()


def test_a_host_with_a_wrong_clock_is_told_so(tmp_path: Path, fleet: Fleet, host: Host) -> None:
    with ScriptedMaster(accepts=False) as master:
        master.enrol_status = "refused"
        master.enrol_text = with_clock("refused", time.time() + 7230)
        join = make_token(master.public, random.Random(1)).text()
        where = ["--master", f"127.0.0.1:{master.port}", "--enrol-port", str(master.enrol_port)]
        shown = host.setup(*where, "--id", "web1", "--join", "-", told=join, starts=True, code=1)
        assert "2 h behind the master's" in texts(shown)
        assert "timedatectl set-ntp true" in texts(shown)
        assert "join" in host.file.read_text()


def test_without_a_token_the_key_waits_and_is_shown_with_its_fingerprint(
    fleet: Fleet, host: Host
) -> None:
    start_both_ports(fleet)
    key = fleet.limpet_json("keys", "show", "--master")["master_key"]
    where = ["--master", f"127.0.0.1:{fleet.port}", "--enrol-port", str(fleet.enrol_port)]
    arguments = [*where, "--master-key", key, "--id", "web1", "--timeout", "4"]
    shown = host.setup(*arguments, starts=True, code=4)
    assert "nobody has accepted it yet" in texts(shown)
    waiting = fleet.limpet_json("keys", "list")["keys"]
    assert "`limpet keys accept web1`" in texts(shown)
    assert waiting[0]["fingerprint"] in texts(shown)
    assert fleet.limpet("keys", "accept", "--yes", "web1").returncode == 0
    host.stop()
    assert host.setup(*where, "--timeout", WAIT_S, starts=True)["state"] == "ready"
    assert "give one of them" in host.setup(*arguments, "--join", "-", code=2)["err"]


def test_a_minion_that_is_not_started_is_named(fleet: Fleet, host: Host) -> None:
    start_both_ports(fleet)
    where = ["--master", f"127.0.0.1:{fleet.port}", "--enrol-port", str(fleet.enrol_port)]
    shown = host.setup(*where, "--join", "-", "--timeout", "1", told=fleet.make_token(), code=4)
    assert "no minion answers on this host" in texts(shown)
    assert f"start `limpet --root {shlex.quote(str(host.root))} minion`" in shown["err"]


def test_settings_of_before_stay(fleet: Fleet, host: Host) -> None:
    join = make_token(make_keypair()[0], random.Random(1)).text()
    host.file.parent.mkdir()
    host.file.write_text("log_level: debug\ngrains: {role: web}\n")
    host.file.chmod(0o644)
    host.setup("--master", "192.0.2.1", "--join", "-", "--no-start", told=join)
    host.setup("--master", "192.0.2.2", "--no-start")
    text = host.file.read_text()
    for line in ("log_level: debug", "role: web", "master: 192.0.2.2", f"join: {join}"):
        assert line in text
    assert "192.0.2.1" not in text
    assert host.file.stat().st_mode & 0o777 == 0o600
    (host.root / "minion.yaml").write_text("port: 4505\n")
    shown = host.setup("--enrol-port", "4505", "--no-start", code=2)
    assert "4505 is the main port already" in shown["err"]
    assert host.file.read_text() == text


def test_a_port_that_somebody_has_is_named_with_who(tmp_path: Path, fleet: Fleet) -> None:
    root = tmp_path / "fresh"
    root.mkdir(mode=0o700)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [LIMPET, "--root", str(root), "master", "setup", "--any-id", "--port", str(port)],
            capture_output=True,
            text=True,
            env=fleet.environment,
        )
    assert done.returncode == 1
    assert f"port {port} is taken by" in done.stdout
    assert f"(pid {os.getpid()})" in done.stdout
    assert list(root.iterdir()) == []
    done = subprocess.run(
        [LIMPET, "--root", str(root), "master", "setup"],
        capture_output=True,
        text=True,
        env=fleet.environment,
    )
    assert done.returncode == 2
    assert "--id-pattern 'web*', or --any-id" in done.stderr
