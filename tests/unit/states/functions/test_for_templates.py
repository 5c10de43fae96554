"""What templates ask for: merging, matching, chance, banners; the values are Salt's own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext
from limpet.states.functions import registry
from limpet.states.host.machine import ThisMachine
from support.fakes.host import make_context

GRAINS = {"os": "Debian", "os_family": "Debian", "ipv4": ["127.0.0.1", "10.1.2.3"], "ipv6": []}
PILLAR = {"a": {"b": 1, "c": ["x", "y"]}, "plain": "text"}


def call(name: str, *positional: Any, **keyword: Any) -> Any:  # noqa: ANN401
    return make_context(grains=GRAINS, pillar=PILLAR).call(name, *positional, **keyword)


def on_disk(place: Path, files: Mapping[str, str]) -> FunctionContext:
    """Give a context whose file roots hold these files."""
    for path, text in files.items():
        (place / "srv" / path).parent.mkdir(parents=True, exist_ok=True)
        (place / "srv" / path).write_text(text)
    context = make_context(
        root=place,
        grains={"id": "web1"},
        configuration={"file_roots": {"base": [str(place / "srv")]}, "pillar_roots": {}},
    )
    context.host = ThisMachine()
    return context


def test_defaults_are_merged_in_place_and_lists_replaced_or_joined() -> None:
    under: dict[str, Any] = {"a": 1, "l": [1], "d": {"x": 1}}
    over = {"b": 2, "l": [2], "d": {"y": 2}}

    merged = call("defaults.merge", under, over)

    assert merged == {"a": 1, "l": [2], "d": {"x": 1, "y": 2}, "b": 2}
    assert under["b"] == 2
    joined = call("defaults.merge", {"l": [1]}, {"l": [2]}, merge_lists=True, in_place=False)
    assert joined == {"l": [1, 2]}
    assert call("defaults.merge", {"a": 1}, None) == {"a": 1}
    with pytest.raises(UsageError, match="nothing to merge into"):
        call("defaults.merge", None, {"a": 1})


def test_defaults_lie_under_each_member() -> None:
    members = {"g1": {"x": 1}, "g2": {"l": [1]}, "g3": None}

    assert call("defaults.update", members, {"d": 4, "l": [2]}) == {
        "g1": {"d": 4, "l": [2], "x": 1},
        "g2": {"d": 4, "l": [2, 1]},
        "g3": {"d": 4, "l": [2]},
    }
    original = {"a": [1]}
    copied = call("defaults.deepcopy", original)
    copied["a"].append(2)
    assert original == {"a": [1]}


def test_defaults_of_a_formula_come_from_its_file(tmp_path: Path) -> None:
    context = on_disk(
        tmp_path, {"foo/defaults.yaml": "x: 1\nd: {k: v}\n", "bar/defaults.json": '{"x": 5}'}
    )

    assert context.call("defaults.get", "foo:d:k") == "v"
    assert context.call("defaults.get", "foo") == {"x": 1, "d": {"k": "v"}}
    assert context.call("defaults.get", "bar:x") == 5
    assert context.call("defaults.get", "foo:gone", "else") == "else"
    assert context.call("defaults.get", "none:x") == ""


@pytest.mark.parametrize(
    ("name", "positional", "expected"),
    [
        ("glob", ["web*"], True),
        ("glob", ["db*"], False),
        ("glob", ["db*", "db1"], True),
        ("list", ["a,web1"], True),
        ("list", [["a", "web1"]], True),
        ("list", ["a"], False),
        ("pcre", ["web."], True),
        ("grain", ["os:Deb*"], True),
        ("grain", ["os|Debian", "|"], True),
        ("grain_pcre", ["os:(Deb|x)"], True),
        ("pillar", ["a:b:1"], True),
        ("pillar", ["a:c:x"], True),
        ("pillar", ["a|b|1", "|"], True),
        ("pillar_pcre", ["plain:te.t"], True),
        ("ipcidr", ["10.1.0.0/16"], True),
        ("ipcidr", ["10.2.0.0/16"], False),
        ("ipcidr", ["bad"], False),
        ("compound", ["web1 and G@os:Debian"], True),
        ("compound", ["not web1"], False),
        ("compound", ["E@web.* or L@x"], True),
        ("compound", ["I@a:b:1"], True),
        ("compound", ["web1 and"], False),
        ("compound", [""], False),
        ("compound", ["web2", "web2"], True),
    ],
)
def test_a_target_means_this_minion_or_not(
    name: str, positional: list[Any], expected: bool
) -> None:
    assert call(f"match.{name}", *positional) is expected


def test_choices_by_target() -> None:
    assert call("match.filter_by", {"web*": {"a": 1}, "db*": {"a": 2}}) == {"a": 1}
    assert call("match.filter_by", {"x": 1, "default": 2}) == 2
    assert call("match.filter_by", {"x": 1}) is None
    assert call("match.filter_by", {"db*": 1}, minion_id="db1") == 1
    assert call(
        "match.filter_by",
        {"web*": {"a": {"z": 1}, "l": [1]}},
        merge={"a": {"b": 1}, "l": [2]},
        merge_lists=True,
    ) == {"a": {"z": 1, "b": 1}, "l": [1, 2]}
    roles = {"r1": ["web*", "x"], "r2": ["db*"], "r3": "G@os:Debian"}
    assert call("match.search_by", roles) == ["r1", "r3"]
    assert call("match.search_by", {"r2": ["db*"]}) is None
    assert call("match.ifelse", "db*", "no", "web*", "yes", "else") == "yes"
    assert call("match.ifelse", "db*", "no", "else") == "else"
    with pytest.raises(UsageError, match="odd number"):
        call("match.ifelse", "db*", "no")


def test_a_seed_gives_what_it_gives_in_salt() -> None:
    assert call("random.rand_int", 1, 1000, "s") == 489
    assert call("random.seed", 100, "db1") == 12
    assert call("random.seed", 1000, hash="x") == 645
    assert call("random.sample", [1, 2, 3, 4, 5], 2, "s") == [3, 1]
    assert call("random.shuffle", [1, 2, 3, 4, 5], "s") == [3, 1, 2, 4, 5]
    assert call("random.shuffle", "abcdef", seed="x") == ["d", "c", "a", "f", "b", "e"]


def test_chance_keeps_to_what_is_asked() -> None:
    assert call("random.get_str", 6, "a") == "aaaaaa"
    digits = call("random.get_str", 40, lowercase=False, uppercase=False, punctuation=False)
    assert digits.isdigit()
    assert len(digits) == 40
    assert 1 <= call("random.rand_int") <= 10
    assert sorted(call("random.shuffle", [3, 1, 2])) == [1, 2, 3]
    wrong: dict[str, list[Any]] = {
        "random.rand_int": [5, 1],
        "random.sample": [[1], 3],
        "random.shuffle": [7],
        "random.hash": ["abc", "nope"],
        "random.str_encode": ["abc", "hex"],
        "random.seed": [0],
        "random.get_str": [-1],
    }
    for function, positional in wrong.items():
        with pytest.raises(UsageError):
            call(function, *positional)


def test_hashes_are_those_of_the_system() -> None:
    assert call("random.hash", "abc", "md5") == "900150983cd24fb0d6963f7d28e17f72"
    assert call("random.str_encode", "é") == "w6k="
    assert call("random.shadow_hash", "abcdefgh", "pw") == (
        "$6$abcdefgh$KQeXafAQAaOoKTevphVU215RvJdgzyfASRasIOuh12hO8u0r1bGW92ZnTmC9IjsiQ8VPiTXBiZF49d"
        "FL1U4wX/"
    )
    assert call("random.shadow_hash", "abcdefgh", "pw", "sha256") == (
        "$5$abcdefgh$ijtOJ//yvc/9bq1g0llFn9dB688BwBDRD90DlKKSKE1"
    )
    assert call("random.shadow_hash", "abcdefgh", "pw", "md5") == "$1$abcdefgh$" + (
        "IQtUouv7y7Q9dRWkQEPCc."
    )
    assert call("random.shadow_hash").startswith("$6$")
    with pytest.raises(UsageError, match="there are sha512"):
        call("random.shadow_hash", "abcdefgh", "pw", "nope")
    with pytest.raises(UsageError, match="salt does not fit"):
        call("random.shadow_hash", "abcdefgh", "pw", "blowfish")


@pytest.mark.parametrize(
    ("serializer", "data", "options", "expected"),
    [
        ("yaml", {"a": {"b": 1, "c": [1, "x"]}}, {}, "a:\n  b: 1\n  c: [1, x]"),
        ("yaml", {"b": 1, "a": "x"}, {}, "{b: 1, a: x}"),
        ("yaml", {"a": [1, {"x": 2}]}, {"default_flow_style": False}, "a:\n- 1\n- x: 2"),
        ("yaml", {"a": 1, "z": [1]}, {"default_flow_style": True}, "{a: 1, z: [1]}"),
        ("yaml", "text", {}, "text"),
        ("json", {"b": 1, "a": None}, {}, '{"b": 1, "a": null}'),
        ("json", {"b": "é", "a": 1}, {"sort_keys": True}, '{"a": 1, "b": "é"}'),
        ("configparser", {"a": {"b": 1, "c": [1]}}, {}, "[a]\nb = 1\nc = [1]\n\n"),
        ("msgpack", {"a": 1}, {}, b"\x81\xa1a\x01"),
    ],
)
def test_data_is_written_as_salt_writes_it(
    serializer: str, data: object, options: dict[str, Any], expected: object
) -> None:
    assert call("slsutil.serialize", serializer, data, **options) == expected


def test_data_is_read() -> None:
    assert call("slsutil.deserialize", "json", '{"a": 1}') == {"a": 1}
    assert call("slsutil.deserialize", "yaml", "a: [1]") == {"a": [1]}
    assert call("slsutil.deserialize", "configparser", "[a]\nb=1\n") == {"a": {"b": "1"}}
    assert call("slsutil.deserialize", "msgpack", b"\x81\xa1a\x01") == {"a": 1}
    for serializer, text in {"json": "{", "yaml": ":\n :", "configparser": "x", "toml": ""}.items():
        with pytest.raises(UsageError):
            call("slsutil.deserialize", serializer, text)
    with pytest.raises(UsageError, match="there are configparser"):
        call("slsutil.serialize", "nope", {})


def test_a_banner_frames_its_text() -> None:
    assert call("slsutil.banner", width=30, title="T", text="some text that is long") == (
        "##############################\n"
        "#                            #\n"
        "#             T              #\n"
        "#                            #\n"
        "# some text that is long     #\n"
        "##############################"
    )
    framed = call(
        "slsutil.banner",
        width=40, commentchar="//", borderchar="*", blockstart="/*", blockend="*/", text="x",
        newline=True,
    )  # fmt: skip
    assert framed == (
        "/*\n//************************************//\n//                                    //\n"
        "// THIS FILE IS MANAGED BY SALT - DO  //\n//              NOT EDIT              //\n"
        "//                                    //\n// x                                  //\n"
        "//************************************//\n*/\n"
    )
    with pytest.raises(UsageError, match="too small"):
        call("slsutil.banner", width=5, commentchar="####")


def test_files_of_the_tree_are_found_upwards(tmp_path: Path) -> None:
    context = on_disk(tmp_path, {"foo/map.jinja": "", "foo/sub/x": "", "bar.json": "{}"})

    assert context.call("slsutil.findup", "foo/sub", "map.jinja") == "foo/map.jinja"
    assert context.call("slsutil.findup", "foo/map.jinja", ["nope", "bar.json"]) == "bar.json"
    assert context.call("slsutil.findup", "", "bar.json") == "bar.json"
    with pytest.raises(HostError, match="none of nope"):
        context.call("slsutil.findup", "foo", "nope")
    with pytest.raises(UsageError, match="not found in the state tree"):
        context.call("slsutil.findup", "gone", "nope")
    with pytest.raises(UsageError, match="string or list"):
        context.call("slsutil.findup", "foo", 1)


def test_what_templates_define_can_be_looked_at(tmp_path: Path) -> None:
    context = on_disk(
        tmp_path,
        {
            "foo/map.jinja": '{% set m = {"k": grains.id} %}',
            "foo/d.yaml": "data: {{ grains.id }}\n",
            "foo/d.json": '{"q": 3}',
        },
    )

    assert context.call("jinja.load_map", "foo/map.jinja", "m") == {"k": "web1"}
    assert context.call("jinja.import_yaml", "foo/d.yaml") == {"data": "web1"}
    assert context.call("jinja.import_json", "salt://foo/d.json") == {"q": 3}
    with pytest.raises(UsageError, match="no name of a variable"):
        context.call("jinja.load_map", "foo/map.jinja", "m }}")
    with pytest.raises(HostError, match="no path"):
        context.call("jinja.import_yaml", 'a" as b %}')


def test_values_are_kept_on_the_minion(tmp_path: Path) -> None:
    context = on_disk(tmp_path, {})

    assert context.call("data.load") == {}
    assert context.call("data.update", "k", {"a": 1})
    assert context.call("data.get", "k") == {"a": 1}
    assert context.call("data.get", ["k", "gone"]) == [{"a": 1}]
    assert context.call("data.get", "gone", "else") == "else"
    assert context.call("data.cas", "k", 1, 2) is False
    assert context.call("data.cas", "k", 1, {"a": 1}) is True
    assert context.call("data.items") == {"k": 1}
    assert (context.call("data.keys"), context.call("data.values")) == (["k"], [1])
    assert context.call("data.has_key", "k")
    assert context.call("match.data", "k:1")
    assert context.call("data.pop", "k") == 1
    assert context.call("data.dump", "{'x': 1}")
    assert context.call("data.load") == {"x": 1}
    assert context.call("data.dump", [1]) is False
    assert (tmp_path / "state/data.json").stat().st_mode & 0o777 == 0o600
    assert context.call("data.clear")
    assert context.call("data.load") == {}


def test_nobody_else_is_heard_or_commanded(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "limpet.states")

    assert call("mine.get", "*", "network.ip_addrs") == {}
    assert call("mine.valid") == {}
    assert call("publish.publish", "*", "test.ping") == {}
    assert call("publish.full_data", "*", "test.ping") == {}
    assert call("event.send", "a/b", {"password": "hush"}) is False
    assert call("event.fire", {"x": 1}, "t") is False
    assert call("event.fire_master", {"x": 1}, "t") is False
    assert "event a/b" in caplog.text
    assert "hush" not in caplog.text
    assert call("sdb.get", "plain") == "plain"
    refused: dict[str, list[Any]] = {
        "mine.update": [], "mine.send": ["x"], "mine.flush": [], "mine.delete": ["x"],
        "publish.runner": ["manage.up"], "sdb.get": ["sdb://a/b"], "sdb.set": ["sdb://a/b", 1],
        "sdb.delete": ["sdb://a/b"],
    }  # fmt: skip
    for function, positional in refused.items():
        with pytest.raises(HostError, match=r"docs/from-salt\.md"):
            call(function, *positional)


def test_temporary_files_are_new_and_private(tmp_path: Path) -> None:
    folder = Path(call("temp.dir", prefix="one-", parent=str(tmp_path)))
    file = Path(call("temp.file", suffix=".x", parent=str(folder)))

    assert folder.name.startswith("one-")
    assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    assert file.suffix == ".x"
    with pytest.raises(HostError, match="cannot make"):
        call("temp.dir", parent=str(tmp_path / "gone"))
    with pytest.raises(HostError, match="cannot make"):
        call("temp.file", parent=str(tmp_path / "gone"))


def test_signatures_and_files_in_base64(tmp_path: Path) -> None:
    context = on_disk(tmp_path, {})
    path = tmp_path / "out"
    signature = "sha1=" + "33eacb4a9fa7b5f9e4e8bb66d6a5cb7ea1ad8d7e"

    assert context.call("hashutil.base64_decodefile", "aGVsbG8=", str(path)) is True
    assert path.read_bytes() == b"hello"
    assert context.call("hashutil.github_signature", "x", "k", signature) is False
    with pytest.raises(UsageError, match="no base64"):
        context.call("hashutil.base64_decodefile", "a", str(path))
    with pytest.raises(UsageError, match="no algorithm"):
        context.call("hashutil.github_signature", "x", "k", "crc=1")


def test_every_function_here_is_listed() -> None:
    wanted = {
        "defaults.get", "match.filter_by", "random.seed", "slsutil.banner", "jinja.load_map",
        "mine.get", "data.get", "sdb.get", "publish.publish", "event.send", "temp.dir",
    }  # fmt: skip
    assert wanted <= set(registry.names())
