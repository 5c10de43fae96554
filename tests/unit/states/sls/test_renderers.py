"""Renderers in a row, chosen by the first line."""

from typing import Any

import pytest

from limpet.states.fileroots.port import SourceFile
from limpet.states.sls.errors import RenderError
from support.states.sls_trees import renderers


def rendered(content: str | bytes, sls: str = "x") -> Any:  # noqa: ANN401
    raw = content if isinstance(content, bytes) else content.encode()
    path = sls.replace(".", "/") + ".sls"
    return renderers().source(SourceFile(path, f"/srv/base/{path}", raw), "base", sls).data


@pytest.mark.parametrize(
    ("content", "data"),
    [
        ("a: {{ grains.os }}\n", {"a": "Debian"}),
        ("#!jinja|yaml\na: {{ pillar.port }}\n", {"a": 80}),
        ("#!yaml\na: '{{ x }}'\n", {"a": "{{ x }}"}),
        ('#!json\n{"a": [1, null]}', {"a": [1, None]}),
        ('#!jinja|json\n{"a": "{{ grains.os }}"}', {"a": "Debian"}),
        ("#!yaml_jinja\na: {{ 1 }}\n", {"a": 1}),
        ("#!toml\na = 1\n", {"a": 1}),
        ("#!py\ndef run():\n    return {'a': __grains__['os'] + __sls__}\n", {"a": "Debianx"}),
        ("#!/bin/sh\na: 1\n", {"a": 1}),
        ("\n  \n", {}),
        ("# only a comment\n", {}),
        ("{% set x = 1 %}\n", {}),
        ("#!jinja\ntext {{ 1 }}", "#!jinja\ntext 1"),
        (b"\xef\xbb\xbfa: 1\n", {"a": 1}),
    ],
)
def test_a_file_is_rendered_as_its_first_line_says(content: str | bytes, data: object) -> None:
    assert rendered(content) == data


@pytest.mark.parametrize(
    ("content", "problem", "line"),
    [
        ("#!nosuch\na: 1\n", "the renderer 'nosuch' is not available", 1),
        (b"a: 1\nb: \xe9\n", "not UTF-8", 2),
        ("\xff".encode("utf-16"), "not UTF-8", 1),
        ('#!json\n{"a": }', "Expecting value", 2),
        ("#!json\n" + "[" * 100_000, "nested too deeply", None),
        ("#!toml\na = \n", "Invalid value", None),
        ("#!py\nx = 1\n", r"function `run\(\)`", None),
        ("#!py\ndef run():\n    return 1 / 0\n", "ZeroDivisionError", 3),
        ("#!py\ndef run(:\n", "SyntaxError", 2),
    ],
)
def test_what_does_not_render_is_an_error_with_its_place(
    content: str | bytes, problem: str, line: int | None
) -> None:
    with pytest.raises(RenderError, match=problem) as caught:
        rendered(content)
    assert caught.value.path == "/srv/base/x.sls"
    assert caught.value.line == line


def test_an_sls_knows_where_it_is() -> None:
    names = ("sls", "slspath", "slsdotpath", "slscolonpath", "sls_path", "tplfile", "tpldir")
    text = "".join(f"{name}: '{{{{ {name} }}}}'\n" for name in (*names, "tpldot", "tplroot", "env"))
    assert rendered(text, "app.web.front") == {
        "sls": "app.web.front",
        "slspath": "app/web",
        "slsdotpath": "app.web",
        "slscolonpath": "app:web",
        "sls_path": "app_web",
        "tplfile": "app/web/front.sls",
        "tpldir": "app/web",
        "tpldot": "app.web",
        "tplroot": "app",
        "env": "base",
    }
