"""`grains.*`: looking, choosing, setting; the texts and shapes of Salt."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from limpet.common.errors import UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions import registry
from limpet.states.grains.loading import read_own
from limpet.states.host.files import LocalFiles
from support.fakes.host import FakeHost, FakeJobs, make_context

GRAINS: dict[str, Any] = {
    "os": "Debian",
    "os_family": "Debian",
    "roles": ["web", "db"],
    "dns": {"nameservers": ["192.0.2.1", "192.0.2.2"]},
    "disks": [{"vda": "10G"}, {"vdb": "20G"}],
    "serialnumber": "ABCDEFGH",
    "id": "web1",
}


def call(name: str, *values: Any, **named: Any) -> Loose:  # noqa: ANN401
    return registry.call(f"grains.{name}", values, named, make_context(grains=GRAINS))


def kept(tmp_path: Path, text: str = "") -> FunctionContext:
    """Give a context whose grains are only those of a real grains file."""
    if text:
        (tmp_path / "grains").write_text(text)
    context = make_context(FakeHost(files=LocalFiles()), root=tmp_path, jobs=FakeJobs())  # type: ignore[arg-type]
    context.load_grains = lambda own: read_own(own.places.grains_file)
    return context


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("os", "Debian"),
        ("dns:nameservers", ["192.0.2.1", "192.0.2.2"]),
        ("dns:nameservers:0", "192.0.2.1"),
        ("dns:nameservers:-1", "192.0.2.2"),
        ("disks:vdb", "20G"),
        ("dns:nameservers:7", ""),
        ("nothing:here", ""),
        ("os:deeper", ""),
    ],
)
def test_a_path_leads_into_a_grain(path: str, expected: Any) -> None:  # noqa: ANN401
    assert call("get", path) == expected
    assert call("fetch", path) == expected
    assert call("has_value", path) is (expected != "")


def test_a_default_and_another_delimiter_are_heeded() -> None:
    assert call("get", "nothing", default=5) == 5
    assert call("get", "dns|nameservers", delimiter="|") == ["192.0.2.1", "192.0.2.2"]


def test_items_can_be_masked() -> None:
    found = call("items", sanitize=True)
    assert (found["id"], found["serialnumber"]) == ("MINION.DOMAINNAME", "ABCDEFXX")
    assert call("items") == GRAINS


def test_named_grains_are_given_by_name() -> None:
    assert call("item", "os", "dns:nameservers:1", "none") == {
        "os": "Debian",
        "dns:nameservers:1": "192.0.2.2",
        "none": "",
    }
    assert call("ls") == sorted(GRAINS)
    assert call("equals", "os", "Debian") is True


def test_filter_by_chooses_merges_and_falls_back() -> None:
    table: dict[str, Any] = {
        "Debian": {"pkg": "apache2", "conf": {"dir": "/etc/apache2"}},
        "default": {"pkg": "httpd"},
        "base": {"conf": {"dir": "/etc", "mode": 7}},
    }
    assert call("filter_by", table)["pkg"] == "apache2"
    assert call("filter_by", table, grain="none") == {"pkg": "httpd"}
    assert call("filter_by", table, base="base")["conf"] == {"dir": "/etc/apache2", "mode": 7}
    merged = call("filter_by", table, merge={"conf": {"dir": "/opt"}})
    assert merged["conf"] == {"dir": "/opt"}
    assert call("filter_by", {"Deb*": 1}) == 1
    assert call("filter_by", {"RedHat": 1}) is None
    assert call("filter_by", {"web": "w"}, grain="roles") == "w"
    assert table["Debian"]["conf"] == {"dir": "/etc/apache2"}


def test_filter_by_says_what_cannot_be_merged() -> None:
    with pytest.raises(UsageError, match="must all be mappings"):
        call("filter_by", {"Debian": "apache2"}, merge={"a": 1})


def test_a_grain_is_set_kept_and_told(tmp_path: Path) -> None:
    context = kept(tmp_path, "rack: 7\n")
    assert registry.call("grains.setval", ["roles", ["web"]], {}, context) == {"roles": ["web"]}
    assert yaml.safe_load((tmp_path / "grains").read_text()) == {"rack": 7, "roles": ["web"]}
    assert context.grains["roles"] == ["web"]
    assert isinstance(context.jobs, FakeJobs)
    assert context.jobs.refreshed == 1


def test_a_link_that_is_away_does_not_lose_the_grain(tmp_path: Path) -> None:
    context = kept(tmp_path)
    context.jobs = FakeJobs(is_deaf=True)
    assert registry.call("grains.setval", ["a", "ü"], {}, context) == {"a": "ü"}
    assert read_own(tmp_path / "grains") == {"a": "ü"}


def test_a_damaged_grains_file_is_said_and_left_alone(tmp_path: Path) -> None:
    context = kept(tmp_path, "a: [1\n")
    answer = registry.call("grains.setval", ["b", 1], {}, context)
    assert answer.startswith("Unable to read existing grains file: ")
    assert "grains:2" in answer
    assert context.retcode == 1
    assert (tmp_path / "grains").read_text() == "a: [1\n"


def test_values_are_appended_and_removed_once(tmp_path: Path) -> None:
    context = kept(tmp_path, "roles: [web]\nname: x\n")

    def do(name: str, *values: Any, **named: Any) -> Loose:  # noqa: ANN401
        return registry.call(f"grains.{name}", values, named, context)

    assert do("append", "roles", "db") == {"roles": ["web", "db"]}
    assert do("append", "roles", "db") == "The val db was already in the list roles"
    assert do("append", "name", "y") == "The key name is not a valid list"
    assert do("append", "name", "y", convert=True) == {"name": ["x", "y"]}
    assert do("append", "deep:er", 1) == {"deep": {"er": [1]}}
    assert do("remove", "roles", "db") == {"roles": ["web"]}
    assert do("remove", "roles", "db") == "The val db was not in the list roles"


def test_a_grain_is_deleted_or_emptied(tmp_path: Path) -> None:
    context = kept(tmp_path, "a: 1\nb: [1]\nc: 2\n")
    found = registry.call("grains.delkey", ["a"], {}, context)
    assert found == {"comment": "", "changes": {"a": None}, "result": True}
    refused = registry.call("grains.delkey", ["b"], {}, context)
    assert refused["result"] is False
    assert "exists but is a dict or a list. Use 'force=True'" in refused["comment"]
    assert registry.call("grains.delkey", ["b"], {"force": True}, context)["result"] is True
    assert registry.call("grains.delval", ["c"], {}, context)["changes"] == {"c": None}
    assert read_own(tmp_path / "grains") == {"c": None}


def test_set_follows_a_path_and_says_what_changed(tmp_path: Path) -> None:
    context = kept(tmp_path, "apps: {web: {port: 80}}\nlist: [a]\nplain: x\n")

    def put(*values: Any, **named: Any) -> Loose:  # noqa: ANN401
        return registry.call("grains.set", values, named, context)

    assert put("apps:web:port", 8080)["changes"] == {"apps": {"web": {"port": 8080}}}
    assert put("apps:web:port", 8080)["comment"] == "Grain is already set"
    assert put("list:a", 1)["changes"] == {"list": [{"a": 1}]}
    assert put("plain:y", 1)["result"] is False
    assert put("plain:y", 1, force=True)["changes"] == {"plain": {"y": 1}}
    assert put("apps", {"x": 1})["result"] is False
    assert put("apps:web:port", None, destructive=True)["changes"] == {"apps": {"web": {}}}
