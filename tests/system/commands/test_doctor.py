"""`limpet doctor` on hosts with one thing wrong: it is found, and named."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from limpet.common.crypto.keys import encode_base32
from limpet.common.service.paths import Roots
from limpet.common.settings.minion import MasterAddress
from limpet.common.setup.findings import Finding
from limpet.common.terminal.session import Session
from limpet.common.transport.sockets import make_keypair
from limpet.minion.setup.doctor import Patient
from limpet.minion.setup.reaching import look_at_masters
from limpet.minion.upgrading.io.files import UpgradeFiles
from limpet.minion.upgrading.record import Record
from support.fakes.scripted_master import ScriptedMaster
from support.hostile.netns import missing
from support.master.fleet import LIMPET, Fleet, free_port_pair, wait_until

Findings = list[dict[str, str]]
LACKING = missing()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with Fleet(tmp_path_factory.mktemp("fleet"), minions=1) as made:
        yield made


@pytest.fixture
def root(fleet: Fleet, tmp_path: Path) -> Path:
    """A copy of the minion's root: it has a key, and does not run."""
    source = fleet.minions["web1"].root
    copy = tmp_path / "root"
    copy.mkdir(mode=0o700)
    shutil.copy2(source / "minion.yaml", copy)
    shutil.copytree(source / "state", copy / "state")
    return copy


def doctor(root: Path, *before: str, role: str = "minion") -> tuple[int, Findings]:
    """Run it; every run has to end in time."""
    began = time.monotonic()
    done = subprocess.run(
        [*before, LIMPET, "--root", str(root), "doctor", "--role", role, "--format", "json"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert time.monotonic() - began < 20
    assert done.stdout, done.stderr
    assert done.stderr == ""
    data = json.loads(done.stdout)
    assert data["ok"] is (done.returncode == 0)
    return done.returncode, data["findings"]


def wrong(findings: Findings, *verdicts: str) -> list[str]:
    """Give what is not well, apart from the machine's own clock and what is not there."""
    return [
        f"{each['check']}: {each['text']} | {each['advice']}"
        for each in findings
        if each["verdict"] in (verdicts or ("fail", "warn"))
        and "keeps this clock in time" not in each["text"]
    ]


def configure(root: Path, old: str, new: str) -> None:
    path = root / "minion.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_healthy_minion_and_its_master_have_nothing_wrong(fleet: Fleet) -> None:
    code, findings = doctor(fleet.minions["web1"].root)
    assert code == 0
    (join,) = wrong(findings)
    assert "the join string is still there" in join
    checks = {each["check"] for each in findings}
    assert checks >= {
        "names", "ports", "master key", "link", "clock", "key", "identity", "disk", "modes",
        "version", "encryption", "interpreter", "process", "memory",
    }  # fmt: skip
    for name in ("states", "pillar"):
        (fleet.master.root / name).mkdir(exist_ok=True)
    code, findings = doctor(fleet.master.root, role="master")
    assert code == 0
    assert wrong(findings) == []
    assert any("turns unknown keys away" in each["text"] for each in findings)
    assert any("lets strangers ask" in each["text"] for each in findings)
    own = {each["text"].split()[0] for each in findings if each["check"] == "key"}
    kept = [each["text"] for each in doctor(fleet.minions["web1"].root)[1]]
    assert f"kept: {own.pop()}" in kept


def test_text_has_a_line_for_each_and_says_what_to_do(fleet: Fleet, root: Path) -> None:
    done = subprocess.run(
        [LIMPET, "--root", str(root), "doctor"], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    place = lines.index("fail  link: no minion runs on this host")
    assert lines[place + 1].strip() == f"`limpet --root {root} minion`"
    assert lines[-1].startswith("1 failed")
    empty = subprocess.run(
        [LIMPET, "--root", str(root / "nothing"), "doctor"], capture_output=True, text=True
    )
    assert (empty.returncode, "neither a master nor a minion" in empty.stderr) == (2, True)


def test_a_name_without_address(fleet: Fleet, root: Path) -> None:
    configure(root, "master: 127.0.0.1:", "master: nowhere.invalid:")
    code, findings = doctor(root)
    assert code == 1
    assert wrong(findings, "fail")[0].startswith("names: nowhere.invalid: no such name")


def test_a_closed_port(fleet: Fleet, root: Path) -> None:
    closed, _ = free_port_pair()
    configure(root, f"127.0.0.1:{fleet.port}", f"127.0.0.1:{closed}")
    code, findings = doctor(root)
    assert code == 1
    assert f"127.0.0.1 port {closed} refused" in wrong(findings, "fail")[0]
    assert f"port {fleet.enrol_port} open" in wrong(findings, "fail")[0]


@pytest.mark.skipif(bool(LACKING), reason=LACKING)
def test_a_port_that_a_firewall_drops(fleet: Fleet, root: Path) -> None:
    ports = f"{{ {fleet.port}, {fleet.enrol_port} }}"
    script = (
        "ip link set lo up && nft add table inet f && "
        "nft 'add chain inet f in { type filter hook input priority 0; }' && "
        f"nft 'add rule inet f in tcp dport {ports} drop' && exec \"$@\""
    )
    code, findings = doctor(root, "unshare", "--net", "sh", "-c", script, "sh")
    assert code == 1
    (ports_text,) = (each for each in wrong(findings, "fail") if each.startswith("ports:"))
    assert f"127.0.0.1 port {fleet.port} filtered" in ports_text
    assert f"let TCP to {fleet.port} and {fleet.enrol_port} through" in ports_text


def test_another_key_than_the_one_that_is_kept(fleet: Fleet, root: Path) -> None:
    other = encode_base32(make_keypair()[0])
    for name in ("trusted.public", "trusted.public.copy"):
        (root / "state/minion/keys" / name).write_text(f"{other}\n")
    code, findings = doctor(root)
    assert code == 1
    (key,) = (each for each in wrong(findings, "fail") if each.startswith("master key:"))
    assert f"127.0.0.1 port {fleet.port} connects, but has another key" in key
    assert "limpet minion setup --join STRING" in key


def test_a_master_that_lets_everybody_in() -> None:
    with ScriptedMaster(accepts=True) as master:
        place = MasterAddress("127.0.0.1", master.port, master.enrol_port)
        found = look_at_masters([place], master.public, has_key=True)
    (failed,) = (each for each in found if each.verdict == "fail")
    assert "let a key in that nobody has accepted" in failed.text


def test_one_place_of_the_master_that_works_will_do(fleet: Fleet, root: Path) -> None:
    configure(root, f"master: 127.0.0.1:{fleet.port}", "")
    with (root / "minion.yaml").open("a") as file:
        file.write(f"master: [nowhere.invalid, '127.0.0.1:{fleet.port}']\n")
    _, findings = doctor(root)
    assert not any(each.startswith(("names", "ports")) for each in wrong(findings, "fail"))
    assert any(each.startswith("names: nowhere.invalid") for each in wrong(findings, "warn"))


def clock_findings(fleet: Fleet) -> list[Finding]:
    session = Session()
    session.root = str(fleet.minions["web1"].root)
    patient = Patient(session, Roots.locate("minion", session.root))
    return list(patient.clock())


def test_a_clock_that_differs_from_the_masters(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    for off_s, verdict, text in (
        (0.0, "ok", "agrees with the master's"),
        (60.5, "warn", "1 min ahead of the master's"),
        (-7230.0, "fail", "2 h behind the master's: no join string is accepted"),
    ):
        real = time.time
        with monkeypatch.context() as patched:
            patched.setattr(time, "time", lambda real=real, off_s=off_s: real() + off_s)
            found = clock_findings(fleet)
        beside = [each for each in found if "the master's" in each.text]
        assert [each.verdict for each in beside] == [verdict], found
        assert text in beside[0].text


def test_a_clock_that_was_set_back(fleet: Fleet, root: Path) -> None:
    lock = root / "state/minion/lock"
    lock.touch()
    os.utime(lock, (time.time() + 3.02 * 86_400,) * 2)
    _, findings = doctor(root)
    (clock,) = (each for each in wrong(findings, "warn") if each.startswith("clock:"))
    assert f"the clock was set back: {lock} is of 3 d from now" in clock


@pytest.mark.skipif(bool(LACKING), reason=LACKING)
def test_a_full_disk(fleet: Fleet, root: Path) -> None:
    script = (
        f"cd {root} && cp -a state kept && mount -t tmpfs -o size=20m,mode=700 full state && "
        'cp -a kept/. state && head -c 30000000 /dev/zero > state/filler 2> /dev/null; exec "$@"'
    )
    code, findings = doctor(root, "unshare", "--mount", "sh", "-c", script, "sh")
    assert code == 1
    (disk,) = (each for each in wrong(findings, "fail") if each.startswith("disk:"))
    assert f"full: {root}/state/minion: 0 MiB free" in disk
    assert "make room there" in disk


@pytest.mark.covers("R-8.1")
def test_modes_that_let_others_in(fleet: Fleet, root: Path) -> None:
    keys = root / "state/minion/keys"
    (keys / "minion.secret").chmod(0o644)
    (root / "minion.yaml").chmod(0o664)
    root.chmod(0o777)
    code, findings = doctor(root)
    assert code == 1
    modes = [each for each in wrong(findings, "fail") if each.startswith("modes:")]
    assert any(f"chmod 600 {keys}/minion.secret" in each for each in modes)
    assert any(f"{root} is open to others (mode 0777)" in each for each in modes)


def test_key_files_that_are_damaged_or_do_not_belong_together(root: Path) -> None:
    keys = root / "state/minion/keys"
    (keys / "minion.public").write_text(f"{encode_base32(make_keypair()[0])}\n")
    _, findings = doctor(root)
    assert any("does not belong to the secret" in each for each in wrong(findings, "fail"))
    (keys / "minion.public").unlink()
    (keys / "minion.secret").write_text("torn")
    _, findings = doctor(root)
    assert any("minion.secret is damaged" in each for each in wrong(findings, "fail"))


@pytest.mark.covers("H2")
def test_a_copy_of_a_host(root: Path) -> None:
    machine = root / "state/minion/keys/machine"
    if not machine.exists():
        pytest.skip("this machine has no machine id to go by")
    other = "0" * 64
    machine.write_text(f"{other} {hashlib.sha256(other.encode()).hexdigest()[:8]}\n")
    _, findings = doctor(root)
    assert any("it is a copy" in each for each in wrong(findings, "warn"))


def test_a_configuration_with_a_mistake(root: Path) -> None:
    (root / "minion.yaml").write_text("mastr: x\n")
    code, findings = doctor(root)
    assert code == 1
    assert "did you mean 'master'?" in wrong(findings, "fail")[0]


def test_a_minion_that_hangs(fleet: Fleet) -> None:
    """And one that goes on afterwards as if nothing had been."""
    node = fleet.minions["web1"]
    node.signal(signal.SIGSTOP)
    try:
        code, findings = doctor(node.root)
    finally:
        node.signal(signal.SIGCONT)
    assert code == 1
    (link,) = (each for each in wrong(findings, "fail") if each.startswith("link:"))
    assert f"process {node.pid} has the minion's socket, and does not answer" in link
    wait_until("it is READY again", lambda: fleet.ready() == 1)


def test_a_master_that_does_not_run(tmp_path: Path) -> None:
    port, _ = free_port_pair()
    (tmp_path / "master.yaml").write_text(f"listen: 127.0.0.1\nport: {port}\n")
    code, findings = doctor(tmp_path, role="master")
    assert code == 1
    failed: Any = wrong(findings, "fail")
    assert any(each.startswith("master: ") for each in failed)
    assert any(f"ports: 127.0.0.1 port {port} refused" in each for each in failed)


def test_an_upgrade_that_was_taken_back(root: Path) -> None:
    record = Record(
        id="0" * 16,
        kind="package",
        phase="back",
        old="0.2.0-abc",
        old_version="0.2.0",
        new_version="0.3.0",
        reason="it was not READY within 60 s",
    )
    files = UpgradeFiles(root / "state/minion")
    files.prepare()
    files.end(record)
    _, findings = doctor(root)
    (upgrade,) = (each for each in wrong(findings, "warn") if each.startswith("upgrade:"))
    assert "rolled back to 0.2.0: it was not READY within 60 s" in upgrade


def test_it_ends_in_time_where_both_daemons_hang(tmp_path: Path) -> None:
    with Fleet(tmp_path) as fleet:
        fleet.start_master()
        root = fleet.master.root
        (root / "minion.yaml").write_text(
            f"id: web1\nmaster: 127.0.0.1:{fleet.port}\nenrol_port: {fleet.enrol_port}\n"
            f"join: {fleet.make_token()}\n"
        )
        (root / "minion.yaml").chmod(0o600)
        minion = subprocess.Popen(
            [LIMPET, "--root", str(root), "minion"],
            stderr=subprocess.DEVNULL,
            env=fleet.environment,
        )
        try:
            wait_until("it is READY", lambda: fleet.ready() == 1)
            for pid in (minion.pid, fleet.master.pid):
                os.kill(pid, signal.SIGSTOP)
            began = time.monotonic()
            done = subprocess.run(
                [LIMPET, "--root", str(root), "doctor", "--format", "json"],
                capture_output=True,
                text=True,
                timeout=30,
            )
            assert time.monotonic() - began < 20
        finally:
            os.kill(fleet.master.pid, signal.SIGCONT)
            minion.kill()
            minion.wait(30)
    assert done.returncode == 1
    found = json.loads(done.stdout)["findings"]
    failed = {(each["role"], each["check"]) for each in found if each["verdict"] == "fail"}
    assert failed >= {("master", "master"), ("master", "ports"), ("minion", "link")}
