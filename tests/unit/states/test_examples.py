"""The example tree that ships: lint finds nothing in it, and it compiles for its hosts."""

from pathlib import Path
from typing import Any

import pytest

from limpet.states.functions import registry
from limpet.states.lint.lint import Lint
from limpet.states.lint.tree.finding import tree_at
from support.fakes.host import make_context

EXAMPLES = Path(__file__).parents[3] / "states" / "examples"


def compiled(root: Path, **grains: str) -> list[dict[str, Any]]:
    """Give the low chunks of the highstate of a web server."""
    context = make_context(
        root=root,
        grains={"id": "web1", "os_family": "Debian", **grains},
        configuration={
            "file_roots": {"base": [str(EXAMPLES / "states")]},
            "pillar_roots": {"base": [str(EXAMPLES / "pillar")]},
        },
    )
    chunks: list[dict[str, Any]] = registry.call("state.show_lowstate", [], {}, context)
    assert all(isinstance(each, dict) for each in chunks), chunks
    return chunks


def test_lint_finds_nothing_in_it() -> None:
    assert Lint(tree_at(str(EXAMPLES)), is_strict=True).findings() == []


@pytest.mark.parametrize(("family", "user"), [("Debian", "www-data"), ("RedHat", "nginx")])
def test_on_a_real_host_packages_services_and_accounts_are_kept_too(
    tmp_path: Path, family: str, user: str
) -> None:
    chunks = compiled(tmp_path, os_family=family)

    order = [each["__id__"] for each in chunks]
    wanted = {f"{each['state']}.{each['fun']}" for each in chunks}
    assert {"pkg.installed", "service.running", "user.present", "user.absent"} <= wanted
    assert order.index("web_package") < order.index("web_config") < order.index("web_service")
    assert order.index("users_ada") < order.index("users_ada_ssh")
    config = next(each for each in chunks if each["__id__"] == "web_config")
    assert config["name"] == "/etc/nginx/nginx.conf"
    assert config["context"]["web"]["user"] == user


def test_only_web_servers_are_told_the_key(tmp_path: Path) -> None:
    assert [each for each in compiled(tmp_path) if each["__id__"] == "web_key"] != []
    context = make_context(
        root=tmp_path,
        grains={"id": "db1", "os_family": "Debian"},
        configuration={"pillar_roots": {"base": [str(EXAMPLES / "pillar")]}},
    )
    context.minion_id = "db1"
    assert "web" not in registry.call("pillar.items", [], {}, context)
