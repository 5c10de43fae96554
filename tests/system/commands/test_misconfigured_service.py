"""A service with a broken configuration: told at once, and not started a thousand times for it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from limpet.common.crypto.keys import encode_base32
from limpet.common.transport.sockets import make_keypair

ROLES = ("master", "minion")
BROKEN = "prot: 4506\n"


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "notify"))
        made.settimeout(20.0)
        yield made


def start(
    root: Path, role: str, *, is_managed: bool, text: str = BROKEN
) -> "subprocess.Popen[str]":
    (root / f"{role}.yaml").write_text(text)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LIMPET_")}
    if is_managed:
        environment["NOTIFY_SOCKET"] = str(root / "notify")
    return subprocess.Popen(
        [sys.executable, "-I", "-m", "limpet", "--root", str(root), role],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("role", ROLES)
def test_it_is_told_at_once_and_ends_some_seconds_later(
    tmp_path: Path, manager: socket.socket, role: str
) -> None:
    with start(tmp_path, role, is_managed=True) as process:
        told = manager.recv(4096).decode()
        began = time.monotonic()
        assert f"{role}.yaml:1: unknown key 'prot'" in told
        assert process.communicate(timeout=20.0)[1].count("unknown key 'prot'") == 1
        assert process.returncode == 2
        assert 4.0 < time.monotonic() - began < 10.0


def test_a_wrong_key_that_the_running_minion_finds_is_told_like_that(
    tmp_path: Path, manager: socket.socket
) -> None:
    other = encode_base32(make_keypair()[0])
    good = f"id: web1\nmaster: 127.0.0.1:9\nmaster_key: {other}\n"
    with start(tmp_path, "minion", is_managed=True, text=good) as process:
        assert "READY=1" in manager.recv(4096).decode()
        process.kill()
    public = tmp_path / "state/minion/keys/minion.public"
    assert public.read_text().strip() != other
    public.write_text(f"{other}\n")
    with start(tmp_path, "minion", is_managed=True, text=good) as process:
        while "can't start" not in (told := manager.recv(4096).decode()):
            pass  # what the first one said
        began = time.monotonic()
        assert "the public key does not belong to the secret" in told
        assert process.wait(20.0) == 2
        assert 4.0 < time.monotonic() - began < 10.0
        process.communicate()


@pytest.mark.parametrize("change", ["", ".d/50-site.yaml"])
def test_a_change_of_the_configuration_is_not_waited_for(
    tmp_path: Path, manager: socket.socket, change: str
) -> None:
    with start(tmp_path, "master", is_managed=True) as process:
        manager.recv(4096)
        began = time.monotonic()
        path = tmp_path / f"master{change or '.yaml'}"
        path.parent.mkdir(exist_ok=True)
        path.write_text("port: 4506\n")
        assert process.wait(10.0) == 2
        assert time.monotonic() - began < 3.0
        process.communicate()


def test_a_stop_is_not_waited_for(tmp_path: Path, manager: socket.socket) -> None:
    with start(tmp_path, "master", is_managed=True) as process:
        manager.recv(4096)
        began = time.monotonic()
        process.terminate()
        process.communicate(timeout=10.0)
        assert time.monotonic() - began < 3.0


@pytest.mark.parametrize("role", ROLES)
def test_started_by_hand_it_ends_at_once(tmp_path: Path, role: str) -> None:
    with start(tmp_path, role, is_managed=False) as process:
        _, errors = process.communicate(timeout=20.0)
    assert process.returncode == 2
    assert errors.startswith("limpet: ")
    assert f"{role}.yaml:1: unknown key 'prot'" in errors
