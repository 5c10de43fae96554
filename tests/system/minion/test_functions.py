"""Functions, grains and `limpet call --local` on the real machine."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from limpet.common.errors import HostError
from limpet.common.service.paths import Roots
from limpet.states.context import FunctionContext, Loose, Places
from limpet.states.functions import registry
from limpet.states.host.machine import ThisMachine

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def call(name: str, *values: Any, **named: Any) -> Loose:  # noqa: ANN401
    return registry.call(name, values, named, context_at(Path("/nowhere")))


def context_at(root: Path) -> FunctionContext:
    return FunctionContext(
        minion_id="web1",
        host=ThisMachine(),
        places=Places.of(Roots.locate("minion", str(root))),
        load_grains=lambda _context: {},
    )


def limpet(root: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "limpet", "--root", str(root), "call", "--local", *words],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "NO_COLOR": "1"},
    )


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 15
    while not is_gone(pid):
        assert time.monotonic() < deadline, f"process {pid} lives on"
        time.sleep(0.05)


def test_a_command_gives_output_errors_and_retcode() -> None:
    found = call("cmd.run_all", "echo out; echo err >&2; exit 3", cwd="/")
    assert (found["stdout"], found["stderr"], found["retcode"]) == ("out", "err", 3)


def test_both_streams_and_the_input_may_be_large() -> None:
    script = "import sys; d = sys.stdin.read(); sys.stderr.write(d); sys.stdout.write(d)"
    text = "x" * 300_000
    found = call("cmd.run_all", [sys.executable, "-c", script], stdin=text, cwd="/")
    assert (len(found["stdout"]), len(found["stderr"])) == (len(text), len(text))


def test_a_program_that_does_not_read_its_input_is_no_failure() -> None:
    assert call("cmd.retcode", "exit 0", stdin="x" * 300_000, cwd="/") == 0


@pytest.mark.covers("G1")
def test_any_bytes_come_back_as_text() -> None:
    script = "import sys; sys.stdout.buffer.write(bytes(range(256)))"
    shown = call("cmd.run", [sys.executable, "-c", script], cwd="/", rstrip=False)
    assert shown == bytes(range(256)).decode("utf-8", "replace")


def test_a_timeout_ends_the_whole_process_group(tmp_path: Path) -> None:
    command = f"sleep 1000 & echo $! > {tmp_path}/child; trap '' TERM; sleep 1000; sleep 1000"
    found = call("cmd.run_all", command, timeout=0.5, cwd="/")
    assert found["stdout"].endswith("Timed out after 0.5 seconds")
    wait_until_gone(int((tmp_path / "child").read_text()))
    wait_until_gone(found["pid"])


def test_a_daemon_that_keeps_the_output_open_does_not_hold_the_answer(tmp_path: Path) -> None:
    begin = time.monotonic()
    found = call("cmd.run", f"setsid sleep 600 & echo $! > {tmp_path}/daemon; echo up", cwd="/")
    assert found == "up"
    assert time.monotonic() - begin < 30
    daemon = psutil.Process(int((tmp_path / "daemon").read_text()))
    assert daemon.is_running()
    daemon.kill()


def test_a_program_that_closes_its_output_is_waited_for() -> None:
    assert call("cmd.retcode", "exec >&- 2>&-; sleep 0.3; exit 5", cwd="/") == 5


def test_output_that_comes_after_the_end_is_taken_for_a_moment() -> None:
    assert call("cmd.run", "(sleep 0.3; echo late) & echo early", cwd="/") == "early\nlate"


def test_a_background_command_outlives_its_call(tmp_path: Path) -> None:
    pid = call("cmd.run_bg", f"sleep 0.2; echo done > {tmp_path}/flag", cwd="/")["pid"]
    assert pid > 1
    deadline = time.monotonic() + 15
    while not (tmp_path / "flag").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(HostError, match="cannot run 'no-such-program'"):
        call("cmd.run", ["no-such-program"], cwd="/")


@needs_root
def test_a_command_runs_as_another_user_in_their_surroundings() -> None:
    shown = call("cmd.run", "id -un; echo $USER; echo $HOME", runas="nobody", cwd="/")
    assert shown.splitlines()[:2] == ["nobody", "nobody"]
    assert "root" not in shown


@needs_root
def test_a_script_runs_as_another_user_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "who.sh").write_text("#!/bin/sh\nid -un; echo $1; dirname $0\n")
    before = set(os.listdir("/tmp"))
    found = call("cmd.script", str(tmp_path / "who.sh"), args="'a b'", runas="nobody")
    assert found["stdout"].splitlines() == ["nobody", "a b", "/tmp"]
    assert {n for n in set(os.listdir("/tmp")) - before if n.startswith("limpet-")} == set()


def test_output_is_streamed_while_the_command_runs() -> None:
    pieces: list[tuple[float, bytes]] = []
    context = context_at(Path("/nowhere"))
    context.stream = lambda data: pieces.append((time.monotonic(), data))
    registry.call("cmd.run", ["echo a; sleep 0.3; echo b"], {"cwd": "/"}, context)
    assert b"".join(data for _, data in pieces) == b"a\nb\n"
    assert pieces[-1][0] - pieces[0][0] > 0.1


def test_the_machine_is_described() -> None:
    assert call("network.interfaces")["lo"]["inet"][0]["address"] == "127.0.0.1"
    assert call("network.interface_ip", "lo") == "127.0.0.1"
    assert call("ps.num_cpus") == os.cpu_count()
    assert call("disk.usage")["/"]["capacity"].endswith("%")
    assert call("status.loadavg")["1-min"] >= 0
    assert os.getpid() in call("ps.get_pid_list")
    assert call("ps.proc_info", os.getpid(), attrs=["pid"]) == {"pid": os.getpid()}
    assert call("ps.top", num_processes=1, interval=0.05)[0]["pid"] > 0
    assert set(call("status.all_status")) >= {"cpuinfo", "netdev", "vmstats"}


def test_a_listening_port_is_seen_and_reached(free_listener: int) -> None:
    assert call("network.connect", "127.0.0.1", free_listener)["result"] is True
    wanted = f"127.0.0.1:{free_listener}"
    mine = [each for each in call("network.netstat") if each["local-address"] == wanted]
    assert any(each["program"].startswith(f"{os.getpid()}/") for each in mine)


@pytest.fixture
def free_listener() -> Any:  # noqa: ANN401
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_refused_port_says_so() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    found = call("network.connect", "127.0.0.1", port, timeout=5)
    assert found["result"] is False
    assert "refused" in found["comment"]


def test_grains_are_printed_by_their_own_process(tmp_path: Path) -> None:
    (tmp_path / "minion.yaml").write_text("id: web7\ngrains: {role: web}\n")
    (tmp_path / "grains").write_text("rack: 7\n")
    done = subprocess.run(
        [sys.executable, "-I", "-m", "limpet.states.grains.collect", "--root", str(tmp_path)],
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert len(done.stdout) <= 64 * 1024
    grains = json.loads(done.stdout)
    assert (grains["id"], grains["role"], grains["rack"]) == ("web7", "web", 7)
    assert grains["kernel"] == "Linux"
    assert grains["os_family"]
    assert "127.0.0.1" in grains["ipv4"]
    assert grains["pid"] == os.getpid()
    assert "grains_problems" not in grains


@pytest.mark.covers("A15")
def test_programs_that_hang_cost_their_facts_and_nothing_else(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("dpkg", "rpm", "systemd-detect-virt", "virt-what"):
        (programs / name).write_text("#!/bin/sh\ntrap '' TERM\nsleep 1000\nsleep 1000\n")
        (programs / name).chmod(0o755)
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-I", "-m", "limpet.states.grains.collect", "--root", str(tmp_path)],
        capture_output=True,
        timeout=60,
        check=True,
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
    )
    assert time.monotonic() - begin < 30
    grains = json.loads(done.stdout)
    assert grains["kernel"] == "Linux"
    assert "timeout" in grains["grains_problems"]["virtualization"]
    left = [p for p in psutil.process_iter(["cmdline"]) if str(programs) in str(p.info["cmdline"])]
    assert left == []


def test_a_bad_configuration_ends_the_grains_process_with_a_line(tmp_path: Path) -> None:
    (tmp_path / "minion.yaml").write_text("grians: {}\n")
    done = subprocess.run(
        [sys.executable, "-I", "-m", "limpet.states.grains.collect", "--root", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "minion.yaml:1" in done.stderr
    assert "Traceback" not in done.stderr


def test_call_local_prints_the_value_as_text_and_as_salts_json(tmp_path: Path) -> None:
    assert limpet(tmp_path, "test.ping").stdout == "local:\n    True\n"
    done = limpet(tmp_path, "--format", "json", "test.arg", "5", "[a, b]", "x={y: 1}")
    assert done.returncode == 0
    assert json.loads(done.stdout) == {
        "local": {"args": [5, ["a", "b"]], "kwargs": {"x": {"y": 1}}}
    }
    assert limpet(tmp_path, "--out", "txt", "test.echo", "hi").stdout == "local: hi\n"


def test_call_local_ends_with_1_for_a_failed_function(tmp_path: Path) -> None:
    done = limpet(tmp_path, "cmd.run", "echo x; exit 3")
    assert (done.returncode, done.stdout) == (1, "local:\n    x\n")
    assert limpet(tmp_path, "--retcode-passthrough", "cmd.run", "exit 3").returncode == 3
    failed = limpet(tmp_path, "test.exception", "Oh no")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == "limpet: test.exception failed: Exception: Oh no\n"


def test_call_local_names_a_wrong_argument(tmp_path: Path) -> None:
    done = limpet(tmp_path, "test.sleep", "lenght=1")
    assert done.returncode == 2
    assert "there is no argument 'lenght'" in done.stderr
    unknown = limpet(tmp_path, "test.pign")
    assert unknown.returncode == 2
    assert "did you mean 'test.ping'?" in unknown.stderr


def test_call_local_uses_the_configuration_of_its_root(tmp_path: Path) -> None:
    states = tmp_path / "states"
    states.mkdir()
    (states / "hello.sh").write_text("#!/bin/sh\necho hello\n")
    (tmp_path / "minion.yaml").write_text(
        "id: web7\ngrains: {role: web}\ncustom: {backup: {dir: /srv}}\n"
    )
    assert "web\n" in limpet(tmp_path, "grains.get", "role").stdout
    assert "/srv" in limpet(tmp_path, "config.get", "backup:dir").stdout
    assert "web7" in limpet(tmp_path, "grains.get", "id").stdout
    assert "hello" in limpet(tmp_path, "cmd.script", "salt://hello.sh").stdout


def test_grains_that_are_set_are_there_afterwards(tmp_path: Path) -> None:
    assert limpet(tmp_path, "grains.setval", "roles", "[web, db]").returncode == 0
    done = limpet(tmp_path, "--out", "json", "grains.get", "roles:1")
    assert json.loads(done.stdout) == {"local": "db"}
