"""The id of a minion: Salt's rule at the first start, and never again."""

import time
from pathlib import Path

import pytest

from limpet.common.errors import UsageError
from limpet.common.settings import minion_identity
from limpet.common.settings.minion_identity import (
    FoundId,
    HostNames,
    find_minion_id,
    guess_minion_id,
)


class Host(HostNames):
    """A host that says what the test wants."""

    def __init__(
        self,
        qualified: str = "localhost",
        node: str = "localhost",
        files: dict[str, str] | None = None,
        addresses: tuple[str, ...] = (),
    ) -> None:
        self._qualified = qualified
        self._node = node
        self._files = files or {}
        self._addresses = addresses

    def qualified(self) -> str:
        return self._qualified

    def node(self) -> str:
        return self._node

    def text(self, path: str) -> str:
        return self._files.get(path, "")

    def addresses(self) -> tuple[str, ...]:
        return self._addresses


@pytest.mark.covers("A10")
@pytest.mark.parametrize(
    "host, expected",
    [
        (Host("web1.example.com", "web1"), ("web1.example.com", "name")),
        (Host("WEB1.Example.com."), ("web1.example.com", "name")),
        (Host("localhost.localdomain", "web1"), ("web1", "name")),
        (
            Host("web1", "web1", {"/etc/hostname": "web1.example.com\n"}),
            ("web1.example.com", "name"),
        ),
        (
            Host(files={"/etc/hosts": "127.0.0.1 localhost\n127.0.1.1 a.example a # b.example\n"}),
            ("a.example", "name"),
        ),
        (Host(files={"/etc/hosts": "::1 ip6-localhost\n192.0.2.7 other.example\n"}), None),
        (Host(addresses=("127.0.0.1", "192.0.2.7")), ("192.0.2.7", "address")),
        (Host(addresses=("2001:db8::7",)), ("2001-db8--7", "address")),
        (Host("(none)", ""), None),
        (Host("wéb1", "web_1"), ("web_1", "name")),
        (Host("a/b", "$(reboot)", {"/etc/hosts": "127.0.0.1 ..\n127.0.0.1\n#\n\0"}), None),
    ],
)
def test_the_name_is_found_by_salts_rule(host: Host, expected: tuple[str, str] | None) -> None:
    found = guess_minion_id(host)
    if expected is None:
        assert found.source == "generated"
        assert found.minion.startswith("minion-")
    else:
        assert (found.minion, found.source) == expected


@pytest.mark.covers("A10", "H8")
def test_no_later_change_of_the_host_alters_the_id(tmp_path: Path) -> None:
    first = find_minion_id(tmp_path, None, host=Host())
    assert first.source == "generated"
    for host in (Host("web1.example.com"), Host("web2.example.com"), Host()):
        assert find_minion_id(tmp_path, None, host=host) == FoundId(first.minion, "kept")


@pytest.mark.covers("A7", "A17")
def test_a_torn_file_is_put_right_from_its_copy_and_blanks_mean_nothing(tmp_path: Path) -> None:
    find_minion_id(tmp_path, None, host=Host("web1"))
    path = tmp_path / "minion_id"
    for damage in (b"", b"\xff\xfe", b"we\0b"):
        path.write_bytes(damage)
        found = find_minion_id(tmp_path, None, host=Host("other"))
        assert (found.minion, found.source) == ("web1", "kept")
        assert "written anew" in found.notices[0]
        assert path.read_text() == "web1\n"
    path.write_bytes(b"\xef\xbb\xbfweb1 \r\n\r\n")
    assert find_minion_id(tmp_path, None, host=Host("other")) == FoundId(
        find_minion_id(tmp_path, None).minion, "kept"
    )


@pytest.mark.covers("A7")
def test_an_id_that_is_lost_altogether_is_found_anew(tmp_path: Path) -> None:
    find_minion_id(tmp_path, None, host=Host("web1"))
    (tmp_path / "minion_id").write_bytes(b"")
    (tmp_path / "minion_id.copy").write_bytes(b"")
    found = find_minion_id(tmp_path, None, host=Host("web1"))
    assert (found.minion, found.source) == ("web1", "name")
    assert "the id is found anew" in found.notices[0]


def test_a_configured_id_wins_and_says_what_it_was_before(tmp_path: Path) -> None:
    assert find_minion_id(tmp_path, "Web1", host=Host()) == FoundId(
        find_minion_id(tmp_path, "web1").minion, "configured"
    )
    changed = find_minion_id(tmp_path, "web2", host=Host())
    assert changed.minion == "web2"
    assert "the id was web1 before" in changed.notices[0]
    assert find_minion_id(tmp_path, None, host=Host()).minion == "web2"
    with pytest.raises(UsageError, match="is not a minion id"):
        find_minion_id(tmp_path, "a/b")


@pytest.mark.covers("A9", "A10")
def test_a_resolver_that_does_not_answer_costs_a_few_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Stuck(Host):
        def qualified(self) -> str:
            time.sleep(3)
            return "too.late.example"

    monkeypatch.setattr(minion_identity, "RESOLVE_S", 0.05)
    began = time.monotonic()
    found = guess_minion_id(Stuck(node="web1"))
    assert time.monotonic() - began < 2
    assert found.minion == "web1"
    assert found.notices == ("the resolver did not answer; asked without it",)


def test_a_resolver_that_fails_is_no_name() -> None:
    class Failing(Host):
        def qualified(self) -> str:
            raise UnicodeError("label too long")

    assert guess_minion_id(Failing(node="web1")).minion == "web1"


def test_this_host_has_an_id() -> None:
    assert guess_minion_id(HostNames()).minion
