"""A socket at a path of any length can be listened at and connected to."""

import os
import socket
from pathlib import Path

import pytest

from limpet.common.service.socket_names import NAME_BYTES_MAX, reachable
from limpet.master.control.listener import listen


def test_a_short_path_is_its_own_name(tmp_path: Path) -> None:
    with reachable(Path("/run/limpet/master.sock")) as name:
        assert name == "/run/limpet/master.sock"


@pytest.mark.covers("B-75")
def test_the_master_listens_at_a_path_that_the_kernel_finds_too_long(tmp_path: Path) -> None:
    directory = tmp_path / ("d" * 120) / ("é" * 60)
    directory.mkdir(parents=True)
    path = directory / "master.sock"
    assert len(os.fsencode(path)) > 2 * NAME_BYTES_MAX
    fds = len(os.listdir("/proc/self/fd"))
    with listen(path, group="nobody-has-this-group") as listener:
        assert path.is_socket()
        with socket.socket(socket.AF_UNIX) as client, reachable(path) as name:
            client.connect(name)
            accepted, _ = listener.accept()
            accepted.close()
    assert len(os.listdir("/proc/self/fd")) == fds


def test_a_directory_that_is_not_there_is_the_error_of_connecting(tmp_path: Path) -> None:
    path = tmp_path / ("d" * 120) / "none" / "master.sock"
    with pytest.raises(FileNotFoundError), reachable(path):
        pass
