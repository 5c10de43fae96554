"""One renderer is one file of the folder, found by its name."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import limpet
from limpet.states.sls import renderers as folder
from limpet.states.sls.errors import RenderError
from limpet.states.sls.renderers import registry
from support.states.sls_trees import renderers

FOLDER = Path(folder.__file__).parent
SERVING = {"__init__", "call", "pipeline", "registry"}
UPPER = """
def render(found, call):
    return str(found).partition("\\n")[2].upper()
"""
RENDER = """
from limpet.states.sls.renderers import Renderers
from limpet.states.sls.surroundings import Surroundings
made = Renderers(None, Surroundings(minion_id="web1"))
print(made.text("#!upper|yaml\\na: b\\n", "base", "x", "/srv/x.sls").data)
"""


def test_every_file_in_the_folder_is_a_renderer() -> None:
    files = {each.stem for each in FOLDER.glob("*.py")} - SERVING
    assert set(registry.NAMES) == files
    for name in files:
        assert registry.find(name).__module__ == f"{folder.__name__}.{name}"


@pytest.mark.parametrize("name", ["nosuch", "Yaml", "pipeline", "__init__", "../yaml", ""])
def test_an_unknown_renderer_is_named_with_those_that_there_are(name: str) -> None:
    with pytest.raises(RenderError) as caught:
        renderers().text("a: 1\n", "base", "x", "/srv/x.sls", pipe=f"jinja|{name}")
    assert caught.value.problem == (
        f"the renderer '{name}' is not available; there are jinja, json, py, text, toml, yaml"
    )


def test_a_file_that_is_put_into_the_folder_is_a_renderer(tmp_path: Path) -> None:
    copy = _linked(Path(limpet.__file__).parent, tmp_path / "limpet", ["states", "sls"])
    shutil.copytree(FOLDER, copy / "renderers")
    (copy / "renderers" / "upper.py").write_text(UPPER)
    done = subprocess.run(
        [sys.executable, "-c", RENDER],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "{'A': 'B'}\n"


def _linked(package: Path, copy: Path, way: list[str]) -> Path:
    """Link all of a package into a copy of it, but what is on the way to a folder to be made."""
    copy.mkdir()
    for each in package.iterdir():
        if each.name != (way[0] if way else FOLDER.name):
            (copy / each.name).symlink_to(each.resolve())
    return _linked(package / way[0], copy / way[0], way[1:]) if way else copy
