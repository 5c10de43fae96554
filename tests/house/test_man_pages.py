"""Manual pages: every command and option stands in one, and man has nothing to complain of."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import click
import pytest

ROOT = Path(__file__).parents[2]
GENERATOR = ROOT / "packaging/man/generate.py"


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("man_generate", GENERATOR)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Give the pages as the package's build makes them: by a program of its own."""
    place = tmp_path_factory.mktemp("man")
    subprocess.run([sys.executable, "-I", GENERATOR, place], check=True, timeout=50)
    return {each.name: each.read_text(encoding="ascii") for each in place.iterdir()}


def seen(page: str) -> str:
    """Give a page's text without roff's escapes."""
    text = re.sub(r"\\f[BRI]|\\&", "", page)
    for escape, letter in ((r"\-", "-"), (r"\(aq", "'"), (r"\(dq", '"'), (r"\e", "\\")):
        text = text.replace(escape, letter)
    return re.sub(r"\\\[u([0-9A-F]{4})\]", lambda found: chr(int(found[1], 16)), text)


def test_every_command_and_option_stands_in_a_page(pages: dict[str, str]) -> None:
    walked = []

    def walk(command: click.Command, path: tuple[str, ...]) -> None:
        text = seen(pages["-".join(path) + ".1"])
        walked.append(path)
        for parameter in command.params:
            for flag in (*parameter.opts, *parameter.secondary_opts):
                if isinstance(parameter, click.Option) and not parameter.hidden:
                    assert re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", text), (path, flag)
        if isinstance(command, click.Group):
            context = click.Context(command, info_name=path[-1])
            for name in command.list_commands(context):
                inner = command.get_command(context, name)
                assert inner is not None
                assert f"{'-'.join((*path, name))}(1)" in text, (path, name)
                walk(inner, (*path, name))

    from limpet.__main__ import cli

    walk(cli, ("limpet",))
    assert len(walked) > 30
    assert {f"{'-'.join(path)}.1" for path in walked} == {n for n in pages if n.endswith(".1")}


def test_every_key_of_the_configuration_stands_in_a_page(pages: dict[str, str]) -> None:
    source = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    for role in ("master", "minion"):
        part = source.split(f"## {role}.yaml\n")[1].split("\n## ")[0]
        keys = re.findall(r"^\| `(\w+)`", part, re.MULTILINE)
        assert len(keys) > 20
        text = seen(pages[f"limpet-{role}.yaml.5"])
        assert [k for k in keys if f"\n.TP\n{k}\n" not in text] == []


def test_man_formats_every_page_without_a_warning(pages: dict[str, str], tmp_path: Path) -> None:
    if not shutil.which("man") or not shutil.which("groff"):
        pytest.skip("man or groff is not installed here")
    for name, text in pages.items():
        page = tmp_path / name
        page.write_text(text, encoding="ascii")
        done = subprocess.run(
            ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page],
            env={"LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "80", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        assert done.stderr == "", name


def test_what_roff_would_take_for_its_own_is_escaped() -> None:
    made = generator()
    assert made.plain(r"a\b -x 'q' “é”") == r"a\eb \-x \(aqq\(aq \[u201C]\[u00E9]\[u201D]"
    assert made._paragraphs("\b\n.cfg is\n'quoted'") == (
        ".PP\n.nf\n\\&.cfg is\n\\(aqquoted\\(aq\n.fi\n"
    )
    assert made._paragraphs("run `limpet-x`\nnow") == ".PP\nrun \\fBlimpet\\-x\\fR now\n"


def test_a_page_that_groff_can_not_read_is_noticed(tmp_path: Path) -> None:
    if not shutil.which("man") or not shutil.which("groff"):
        pytest.skip("man or groff is not installed here")
    page = tmp_path / "x.1"
    page.write_text(".TH X 1\n.SH NAME\nx \\- y\n.nosuchmacro\n")
    done = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page],
        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert "nosuchmacro" in done.stderr
