"""`ssh_auth` and `ssh_known_hosts` in homes of the test's own."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limpet.common.errors import HostError
from limpet.states.functions.ssh.keys import Key, KnownHost, fingerprint
from limpet.states.functions.ssh.keys import given as key_given
from limpet.states.host.machine import ThisMachine
from limpet.states.ports.machine import Account
from support.fakes.host import FakeAccounts
from support.states.state_bench import FakeTree, StateBench

ONE = "AAAAC3NzaC1lZDI1NTE5AAAAIN1+H0J6a1exJzXZCF71ysHl7bPMUilH/HrwoOa4GIP+"
TWO = "AAAAC3NzaC1lZDI1NTE5AAAAIIUoPj8CLIE3+zAmKq7FA17LoebrEsdCahe3GkIe1chQ"


def furnished(place: Path) -> StateBench:
    host = ThisMachine()
    own = Account("ann", os.getuid(), os.getgid(), str(place / "ann"), "/bin/sh")
    other = Account("bob", os.getuid() + 1, os.getgid(), str(place / "bob"), "/bin/sh")
    host.accounts = FakeAccounts([own, other])
    for each in ("ann", "bob"):
        (place / each).mkdir(exist_ok=True)
    tree = FakeTree({"keys": f"# ours\nssh-ed25519 {ONE} one\nssh-ed25519 {TWO} two\n".encode()})
    return StateBench(place, tree, host=host)


@pytest.fixture
def bench(tmp_path: Path) -> StateBench:
    return furnished(tmp_path)


def authorized(bench: StateBench) -> str:
    path = bench.place / "ann/.ssh/authorized_keys"
    return path.read_text() if path.exists() else ""


def test_a_key_is_added_updated_and_removed(bench: StateBench) -> None:
    key: dict[str, Any] = {"name": ONE, "user": "ann", "enc": "ed25519"}

    added = bench.call("ssh_auth.present", **key, comment="ann@x")
    mode = (bench.place / "ann/.ssh/authorized_keys").stat().st_mode & 0o777
    updated = bench.call("ssh_auth.present", **key, options=["no-pty", 'from="a b"'])

    assert (added.changes, mode) == ({ONE: "New"}, 0o600)
    assert (bench.place / "ann/.ssh").stat().st_mode & 0o777 == 0o700
    assert updated.changes == {ONE: "Updated"}
    assert authorized(bench) == f'no-pty,from="a b" ssh-ed25519 {ONE}\n'
    assert bench.call("ssh_auth.absent", **key).changes == {ONE: "Removed"}
    assert bench.call("ssh_auth.absent", **key).comment == "Key not present"
    assert authorized(bench) == ""


def test_all_keys_of_a_file_and_only_those_of_a_list(bench: StateBench) -> None:
    whole = bench.call("ssh_auth.present", name="k", user="ann", source="salt://keys")
    only = bench.call("ssh_auth.manage", name="m", user="ann", ssh_keys=[f"ssh-ed25519 {TWO} two"])

    assert whole.changes == {"k": "New"}
    assert only.changes == {ONE: "Key removed"}
    assert authorized(bench) == f"ssh-ed25519 {TWO} two\n"
    assert bench.call("ssh_auth.absent", name="k", user="ann", source="salt://keys").changes == {
        TWO: "Removed"
    }


@pytest.mark.parametrize(
    "more",
    [{"name": "garbage"}, {"name": f"{ONE}\nssh-rsa AAAA", "enc": "rsa"},
     {"name": ONE, "comment": "x\nssh-rsa AAAA evil"}, {"name": ONE, "options": ["a\nb"]},
     {"name": ONE, "enc": "ssh rsa"}],
)  # fmt: skip
def test_what_is_no_key_is_never_written(bench: StateBench, more: dict[str, Any]) -> None:
    assert bench.call("ssh_auth.present", user="ann", **more).result is False
    assert authorized(bench) == ""


def test_a_link_of_the_user_does_not_lead_root_astray(bench: StateBench, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("root's own")
    (tmp_path / "bob/.ssh").mkdir()
    (tmp_path / "bob/.ssh/authorized_keys").symlink_to(secret)

    outcome = bench.call("ssh_auth.present", name=ONE, user="bob", enc="ed25519")

    assert outcome.result is False
    assert "symbolic link" in str(outcome.comment)
    assert secret.read_text() == "root's own"


def test_a_host_is_known_by_its_key_hashed_or_not(bench: StateBench) -> None:
    host: dict[str, Any] = {"name": "ex.org", "user": "ann", "enc": "ed25519"}
    path = bench.place / "ann/.ssh/known_hosts"

    added = bench.call("ssh_known_hosts.present", **host, key=ONE, hash_known_hosts=False)
    plain = path.read_text()
    again = bench.call("ssh_known_hosts.present", **host, key=ONE)
    other = bench.call("ssh_known_hosts.present", **host, key=TWO)

    new = {"hostname": "ex.org", "enc": "ssh-ed25519", "key": ONE}
    assert added.changes == {"old": None, "new": [new]}
    assert plain == f"ex.org ssh-ed25519 {ONE}\n"
    assert again.changes == {}
    assert other.changes["old"][0]["fingerprint"] == fingerprint(ONE)
    assert path.read_text().startswith("|1|")
    assert bench.call("ssh_known_hosts.present", **host, key=TWO).changes == {}
    assert bench.call("ssh_known_hosts.absent", name="ex.org", user="ann").changes["new"] is None
    assert bench.call("ssh_known_hosts.absent", name="ex.org", user="ann").changes == {}


def test_hashed_names_are_those_of_ssh_itself() -> None:
    line = KnownHost("|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg=", "k", "v")
    own = KnownHost("[ex.org]:2222", "ssh-ed25519", ONE).hashed()

    assert line.is_of("192.168.1.61")
    assert not line.is_of("192.168.1.62")
    assert own.is_of("[ex.org]:2222")
    assert not own.is_of("ex.org")


def test_a_host_that_gives_no_key_and_a_user_that_is_not_there_fail(bench: StateBench) -> None:
    unknown = bench.call("ssh_known_hosts.present", name="a", user="nope", key=ONE)
    odd = bench.call("ssh_known_hosts.present", name="-oProxy", user="ann", key=ONE)

    assert unknown.comment == "User nope does not exist"
    assert odd.result is False


@given(
    st.lists(st.sampled_from(["no-pty", 'from="a,b c"', 'command="x \\"y\\" z"', "a"]), max_size=3),
    st.sampled_from(["", "one", "two words", "a=b"]),
)
def test_a_line_is_read_as_it_was_written(options: list[str], comment: str) -> None:
    key = Key("ssh-ed25519", ONE, comment, tuple(options))

    assert Key.of(key.line()) == key
    assert key_given(key.line(), "rsa", "", ()) == key


def test_a_kind_that_nobody_knows_is_refused() -> None:
    with pytest.raises(HostError, match="Incorrect encryption key type"):
        key_given(ONE, "rot13", "", ())


STATES = st.one_of(
    st.tuples(
        st.sampled_from(["ssh_auth.present", "ssh_auth.absent"]),
        st.fixed_dictionaries(
            {"name": st.sampled_from([ONE, f"ssh-ed25519 {TWO} c", f"no-pty ssh-ed25519 {ONE}"])},
            optional={
                "comment": st.sampled_from(["c", "d"]),
                "options": st.just(["no-pty"]),
                "source": st.just("salt://keys"),
                "enc": st.just("ed25519"),
            },
        ),
    ),
    st.tuples(
        st.sampled_from(["ssh_known_hosts.present", "ssh_known_hosts.absent"]),
        st.fixed_dictionaries(
            {"name": st.sampled_from(["a.org", "b.org"])},
            optional={"key": st.sampled_from([ONE, TWO]), "port": st.just(2222)},
        ),
    ),
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(STATES, min_size=1, max_size=4))
def test_what_test_mode_announces_is_what_a_run_does_once(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[str, dict[str, Any]]]
) -> None:
    place = tmp_path_factory.mktemp("ssh")
    bench = furnished(place)
    folder = place / "ann/.ssh"
    for name, arguments in calls:
        if name == "ssh_known_hosts.present":
            arguments = {"key": ONE, **arguments}
        if name == "ssh_known_hosts.absent":
            arguments.pop("key", None)
        before = {each: each.read_text() for each in folder.glob("*")}
        announced = bench.call(name, is_test=True, user="ann", **arguments)
        assert before == {each: each.read_text() for each in folder.glob("*")}

        done = bench.call(name, user="ann", **arguments)
        again = bench.call(name, user="ann", **arguments)

        assert done.result is True
        assert (announced.result is None) == bool(done.changes)
        assert (again.result, again.changes) == (True, {})
