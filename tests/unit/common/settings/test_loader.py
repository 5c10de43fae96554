"""Every mistake in a configuration file: one message, with the file and the line."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpet.common.crypto.joinstring import JoinString
from limpet.common.errors import ExitCode, LimpetError, SourceError, UsageError
from limpet.common.service.paths import Roots
from limpet.common.settings.loader import (
    Configuration,
    at_key,
    exposed_secrets,
    load,
    load_text,
    with_options,
)
from limpet.common.settings.master import MasterConfiguration, load_master
from limpet.common.settings.minion import MinionConfiguration, load_minion, require_master

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def complaint(kind: type[Configuration], text: str) -> str:
    with pytest.raises(SourceError) as raised:
        load_text(kind, text, "f.yaml")
    assert raised.value.exit_code is ExitCode.USAGE
    return str(raised.value)


@pytest.mark.covers("B-80", "J1", "J6")
@pytest.mark.parametrize(
    "text, expected",
    [
        ("log_level: info\nprot: 4506\n", "f.yaml:2: unknown key 'prot'; did you mean 'port'?"),
        ("zzz: 1", "f.yaml:1: unknown key 'zzz'; keys of your own go under `custom:`"),
        ("\ninterface: 0.0.0.0", "f.yaml:2: unknown key 'interface': use `listen`"),
        ("port: 1024\nport: 1025", "f.yaml:2: the key 'port' stands here a second time"),
        ("port: abc", "f.yaml:1: port: expected int, got str"),
        ("port: yes", "f.yaml:1: port: expected int, got bool"),
        ("port: 4506.0", "f.yaml:1: port: expected int, got float"),
        ("#\n\nport: 70000", "f.yaml:3: port: expected int <= 65535, not '70000'"),
        ("port: 0", "f.yaml:1: port: expected int >= 1, not '0'"),
        ("port: 1", "f.yaml:1: port: port 1 leaves none below it"),
        ("port: 99\nenrol_port: 99", "f.yaml:2: enrol_port: 99 is the main port already"),
        ("history_days: .nan", "f.yaml:1: history_days: expected float > 0.0, not 'nan'"),
        ("file_roots:\n  base:\n  - /a\n  - 3", "f.yaml:4: file_roots.base[1]: expected str"),
        ("file_roots:\n  base: /a\n  dev: {a: 1}", "f.yaml:3: file_roots.dev[0]: expected str"),
        ("file_roots: [a]", "f.yaml:1: file_roots: expected mapping, got list"),
        ("file_roots:\n  a/b: x", "f.yaml:2: file_roots.a/b: 'a/b' is not a name for an env"),
        ("nodegroups:\n  a: x\n  b: [x, 3]", "f.yaml:3: nodegroups.b[1]: expected str, got int"),
        ('listen:\n- "::"\n- example', "f.yaml:3: listen[1]: 'example' is not a numeric address"),
        ("listen:\n- ::", "f.yaml:2: listen[0]: expected str, got mapping: put a text that has"),
        ("listen: []", "f.yaml:1: listen: an address is missing"),
        ("log_level: loud", "f.yaml:1: log_level: 'loud' is not a log level: use one of quiet"),
        ("job_timeout: 5 parsecs", "f.yaml:1: job_timeout: '5 parsecs' has no such unit"),
        ("user_group: 'a b'", "f.yaml:1: user_group: 'a b' is not the name of a group"),
        ("- a", "f.yaml:1: keys with values are expected"),
        ("42", "f.yaml:1: keys with values are expected"),
        ("port: [1\nlog_level: x\n", "f.yaml:2: bad YAML: "),
        ("port: 4506\n  log_level: info", "f.yaml:2: bad YAML: mapping values are not allowed"),
        ("\tport: 1", "f.yaml:1: bad YAML: found character that cannot start any token"),
        ("port: 4506\na: \x07", "f.yaml:2: bad YAML: a control character (7) is not allowed"),
        ("port: 4506\n---\nport: 4507", "f.yaml:2: a second document begins"),
        ("custom: &a [*a]", "f.yaml:1: an alias stands inside of what it names"),
        ("custom: {a: *b}", "f.yaml:1: bad YAML: found undefined alias"),
        ("custom: !!python/name:os.system x", "f.yaml:1: the tag 'tag:yaml.org,2002:python"),
        ("custom: !!set {a}", "f.yaml:1: the tag 'tag:yaml.org,2002:set' is not allowed"),
        ("custom: {<<: {a: 1}}", "f.yaml:1: merge keys (<<) are not read here"),
        ("? [a]\n: b", "f.yaml:1: a key must be one word"),
        ("custom:\n" + "- " * 40 + "a", "f.yaml:2: nested too deeply (at most 32)"),
        ("custom: [" + "1," * 50_001 + "]", "f.yaml:1: too many values (at most 50000)"),
        ("custom: [&a 1" + ", *a" * 101 + "]", "f.yaml:1: too many aliases (at most 100)"),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, expected: str) -> None:
    assert complaint(MasterConfiguration, text).startswith(expected)


@pytest.mark.covers("B-30", "B-31", "B-32", "B-80")
@pytest.mark.parametrize(
    "text, expected",
    [
        ("id: 12", "f.yaml:1: id: expected str, got int: put it in quotes"),
        ("id: ../x", "f.yaml:1: id: '../x' is not a minion id"),
        ("id: 'web\\n1'", "f.yaml:1: id: 'web\\\\n1' is not a minion id"),
        ('id: "\\u0430dmin"', "f.yaml:1: id: '\\u0430dmin' is not a minion id"),
        ("master: a:99999", "f.yaml:1: master[0]: '99999' is not a port"),
        ("master:\n- a\n- b:c:d", "f.yaml:3: master[1]: 'b:c:d' is not an IP address"),
        ("master: tcp://a", "f.yaml:1: master[0]: 'tcp://a': write the host alone"),
        ("master: '[::1'", "f.yaml:1: master[0]: '[::1': write [ADDRESS]:PORT"),
        ("master: 1.2.3", "f.yaml:1: master[0]: '1.2.3' is not an IP address"),
        ("master: 'a b'", "f.yaml:1: master[0]: 'a b' is not a host name or address"),
        ("join: abc", "f.yaml:1: join: join string damaged: it has 3 of 134 characters"),
        ("master_key: abc", "f.yaml:1: master_key: a key has 52 characters of base 32"),
        ("refuse: 'rm -rf'", "f.yaml:1: refuse[0]: 'rm -rf' is not a glob such as `cmd.*`"),
        ("job_memory_max: 3", "f.yaml:1: job_memory_max: expected int >= 33554432"),
        ("jobs_at_once: 0", "f.yaml:1: jobs_at_once: expected int >= 1"),
        ("master_finger: 'a'", "f.yaml:1: unknown key 'master_finger': use `master_key`"),
    ],
)
def test_a_mistake_of_a_minion_is_named_with_its_line(text: str, expected: str) -> None:
    assert complaint(MinionConfiguration, text).startswith(expected)


def test_everything_has_a_default(tmp_path: Path) -> None:
    roots = Roots.locate("master", str(tmp_path), {})
    made = load_master(roots)
    assert (made.port, made.enrol_port) == (4506, 4505)
    assert made.file_roots == {"base": (str(tmp_path / "states"),)}
    assert made.pillar_roots == {"base": (str(tmp_path / "pillar"),)}
    assert set(made.listen_addresses) <= {"::", "0.0.0.0"}
    for text in ("", "# only a remark\n", "---\n", "\ufeff", "port:\nnodegroups:\n"):
        assert load_text(MasterConfiguration, text, "f") == MasterConfiguration()


def test_the_spellings_of_people_are_understood(tmp_path: Path) -> None:
    text = """
listen: 192.0.2.1
port: 5000
file_roots:
  base: states
  dev: [/srv/dev, more]
nodegroups: {web: "web*", all: [web*, or, db*]}
job_timeout: 2h
return_bytes_max: 1M
custom: {anything: {goes: [1, yes, 2020-01-01, ~]}}
"""
    made = load_text(MasterConfiguration, text, "f", tmp_path)
    assert made.listen_addresses == ("192.0.2.1",)
    assert made.enrol_port == 4999
    assert made.file_roots == {
        "base": (f"{tmp_path}/states",),
        "dev": ("/srv/dev", f"{tmp_path}/more"),
    }
    assert made.nodegroup_targets == {"web": "web*", "all": "web* or db*"}
    assert (made.job_timeout_s, made.return_bytes_max) == (7200, 1 << 20)
    assert made.custom == {"anything": {"goes": [1, True, "2020-01-01", None]}}


def test_a_master_has_an_address_in_any_of_its_forms() -> None:
    text = "master: [salt, 'm.example:5000', '[2001:db8::1]:6000', '2001:db8::2', 192.0.2.1]"
    made = load_text(MinionConfiguration, text, "f")
    assert [tuple(address) for address in made.addresses] == [
        ("salt", 4506, 4505),
        ("m.example", 5000, 4999),
        ("2001:db8::1", 6000, 5999),
        ("2001:db8::2", 4506, 4505),
        ("192.0.2.1", 4506, 4505),
    ]
    other = load_text(MinionConfiguration, "master: a:7000\nenrol_port: 80", "f")
    assert other.addresses[0].enrol_port == 80


def test_options_of_the_command_line_win_and_are_checked_alike(tmp_path: Path) -> None:
    made = load_text(MinionConfiguration, "master: a\nlog_level: debug", "f")
    changed = with_options(made, {"master": "[::1]:4600", "id": "web1", "log_level": None})
    assert changed.addresses[0] == ("::1", 4600, 4599)
    assert (changed.id, changed.log_level) == ("web1", "debug")
    assert with_options(MasterConfiguration(), {"port": 6000}).enrol_port == 5999
    with pytest.raises(UsageError, match=r"the command line: id: '-x' is not a minion id"):
        with_options(made, {"id": "-x"})
    roots = Roots.locate("minion", str(tmp_path), {})
    assert load_minion(roots, {"id": "WEB1", "master": "m"}).id == "web1"
    with pytest.raises(
        UsageError, match=r"no master is known: set `master: HOST` in .*minion.yaml"
    ):
        require_master(load_minion(roots), roots)


@pytest.mark.covers("B-80")
def test_a_file_that_others_may_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "master.yaml"
    path.write_text("port: 4506\n")
    path.chmod(0o666)
    with pytest.raises(SourceError, match=r"master.yaml: anybody may write to it: chmod o-w"):
        load(MasterConfiguration, path)


@pytest.mark.covers("B-80")
def test_a_link_a_directory_and_a_pipe_are_refused(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("port: 4506\n")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, expected in (
        ("link", "is a symbolic link"),
        ("folder", "not a regular file"),
        ("pipe", "not a regular file"),
    ):
        with pytest.raises(SourceError, match=f"{name}: {expected}|{name}: is {expected}"):
            load(MasterConfiguration, tmp_path / name)


@needs_root
@pytest.mark.covers("B-80")
def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "master.yaml"
    path.write_text("port: 4506\n")
    os.chown(path, 65534, 65534)
    with pytest.raises(SourceError, match="belongs to nobody, who is neither root"):
        load(MasterConfiguration, path)


def test_a_join_string_that_others_may_read_is_warned_of_and_used(tmp_path: Path) -> None:
    path = tmp_path / "minion.yaml"
    joined = JoinString(bytes(range(1, 33)), "abcdefghij", bytes(32)).text()
    path.write_text(f"master: m\njoin: {joined}\n")
    path.chmod(0o644)
    configuration = load(MinionConfiguration, path)
    assert configuration.join == joined
    (warning,) = exposed_secrets(configuration, path)
    assert f"holds a secret (join), but others may read the file: chmod 600 {path}" in warning
    path.chmod(0o600)
    assert exposed_secrets(configuration, path) == ()
    path.write_text("master: m\n")
    path.chmod(0o644)
    assert exposed_secrets(load(MinionConfiguration, path), path) == ()
    assert exposed_secrets(configuration, tmp_path / "none.yaml") == ()


def test_a_damaged_join_string_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "minion.yaml"
    path.write_text("master: m\njoin: x\n")
    path.chmod(0o600)
    with pytest.raises(SourceError, match=r"minion.yaml:2: join: join string damaged"):
        load(MinionConfiguration, path)


def test_what_turns_out_later_is_said_with_the_line_of_the_key(tmp_path: Path) -> None:
    path = tmp_path / "master.yaml"
    assert at_key(path, "port", 4506, "in use") is None
    path.write_text("#\nport: 4600\n")
    assert at_key(path, "port", 4506, "in use") is None, "another value came from elsewhere"
    assert at_key(path, "enrol_port", 4600, "in use") is None
    assert str(at_key(path, "port", 4600, "in use")) == f"{path}:2: in use"


@pytest.mark.covers("B-80", "J1")
def test_bytes_that_are_no_text_and_files_that_are_too_large_are_named(tmp_path: Path) -> None:
    path = tmp_path / "master.yaml"
    path.write_bytes(b"port: 4506\nlog_level: \xff\xfe\n")
    path.chmod(0o644)
    with pytest.raises(SourceError, match=r"master.yaml:2: not UTF-8 text"):
        load(MasterConfiguration, path)
    path.write_bytes(b"#" * (1 << 20) + b"\n")
    with pytest.raises(SourceError, match=r"larger than 1048576 bytes"):
        load(MasterConfiguration, path)


@pytest.mark.covers("J1")
@given(data=st.binary(max_size=300))
def test_any_bytes_give_a_configuration_or_one_error_with_the_name(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    for kind in (MasterConfiguration, MinionConfiguration):
        try:
            load_text(kind, text.encode("utf-8", "replace").decode("utf-8"), "f.yaml")
        except SourceError as error:
            assert str(error).startswith("f.yaml:")  # noqa: PT017


_VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
_KEYS = [
    *MasterConfiguration.__struct_encode_fields__,
    *MinionConfiguration.__struct_encode_fields__,
]


@pytest.mark.covers("J1")
@given(data=st.dictionaries(st.sampled_from(_KEYS), _VALUES, max_size=4))
def test_any_values_give_a_configuration_or_one_error(data: dict[str, Any]) -> None:
    import yaml

    text = yaml.safe_dump(data, allow_unicode=False)
    for kind in (MasterConfiguration, MinionConfiguration):
        try:
            load_text(kind, text, "f.yaml")
        except LimpetError as error:
            assert "\n" not in str(error)  # noqa: PT017
