"""Words to the service manager are never in the way of the service."""

import errno
import socket

import pytest

from limpet.common.service.notify import Notifier


def test_without_a_descriptor_to_spare_the_manager_is_not_told_and_nothing_is_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere")
    notifier = Notifier()
    monkeypatch.setattr(socket, "socket", refuse)
    notifier.alive()  # in the watchdog's thread: what it raised would end the watch
