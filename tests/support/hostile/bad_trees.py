"""Trees that ask for too much, or are no trees: each ends in an error that names its file.

A text stands for three trees: it is an SLS, a file of pillar, and the template of a managed file.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Way = Literal["sls", "pillar", "template"]
FOLDER: Final[dict[Way, str]] = {"sls": "states", "pillar": "pillar", "template": "states"}
FILE: Final[dict[Way, str]] = {"sls": "bad.sls", "pillar": "bad.sls", "template": "bad.jinja"}

_LOOP: Final = "{% for i in range(99999) %}{% for j in range(99999) %}"
_END: Final = "{% endfor %}{% endfor %}\n"

TEMPLATES: Final[dict[str, str]] = {
    "endless loop": f"{_LOOP}{{% set x = j %}}{_END}",
    "endless output": f"{_LOOP}aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{{{{ j }}}}{_END}",
    "list that grows": f"{{% set x = [] %}}\n{_LOOP}{{% do x.append(i ~ j) %}}{_END}",
    "mapping that grows": (
        f"{{% set x = {{}} %}}\n{_LOOP}{{% do x.update({{i ~ '-' ~ j: j}}) %}}{_END}"
    ),
    "text that doubles": (
        "{% set n = namespace(t='a') %}\n"
        "{% for i in range(99) %}{% set n.t = n.t ~ n.t %}{% endfor %}\n"
    ),
    "huge text": "\n{{ 'a' * 10 ** 9 }}\n",
    "huge text of a variable": "{% set n = 10 ** 9 %}\n{{ 'a' * n }}\n",
    "huge list": "{% set n = 10 ** 9 %}\n{{ ([1] * n)|length }}\n",
    "huge text by a filter": "\n{{ 'a'|center(10 ** 9) }}\n",
    "huge text by a format": "\n{{ '%01000000000d'|format(1) }}\n",
    "huge text by replace": "{% set t = 'a' * 100000 %}\n{{ t|replace('a', t) }}\n",
    "huge indent": "{% set t = 'a\\n' * 100000 %}\n{{ t|indent(100000) }}\n",
    "huge range": "\n{% for i in range(10 ** 9) %}{% endfor %}\n",
    "huge number": "{% set n = 10 ** 8 %}\n{{ 7 ** n }}\n",
    "huge product": "{% set r = range(9999)|list %}\n{{ r|product(r, r)|list|length }}\n",
    "huge permutations": "\n{{ range(50)|permutations|list|length }}\n",
    "regular expression without end": "\n{{ ('a' * 60 ~ 'b')|regex_replace('(a+)+$', '') }}\n",
    "match without end": "\n{% if ('a' * 60 ~ 'b') is match('(a+)+$') %}{% endif %}\n",
    "search without end": "\n{{ ('a' * 60 ~ 'b')|regex_search('(a|aa)+$') }}\n",
    "macro that calls itself": "{% macro m(x) %}{{ m(x) }}{% endmacro %}\n{{ m(1) }}\n",
    "two macros that call one another": (
        "{% macro a() %}{{ b() }}{% endmacro %}\n{% macro b() %}{{ a() }}{% endmacro %}\n"
        "{{ a() }}\n"
    ),
    "deep braces": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}\n",
    "deep blocks": "{% if 1 %}" * 500 + "{% endif %}" * 500,
    "unclosed block": "{% if true %}\nx\n",
    "unknown tag": "{% frobnicate %}\n",
    "undefined": "\n{{ nothing.at.all }}\n",
    "division by zero": "\n{{ 1 / 0 }}\n",
    "recursive loop": (
        "{% set t = [] %}{% do t.append(t) %}\n"
        "{% for x in t recursive %}{{ loop(x) }}{% endfor %}\n"
    ),
    "missing include": "{% include 'no/such.jinja' %}\n",
    "escape from the sandbox": "{{ ''.__class__.__mro__[1].__subclasses__() }}\n",
}
"""Texts of Jinja, for all three ways."""

_DEEP: Final = 30_000
DOCUMENTS: Final[dict[str, bytes]] = {
    "deep flow sequence": b"#!yaml\na: " + b"[" * _DEEP + b"]" * _DEEP,
    "deep flow mapping": b"#!yaml\na: " + b"{a: " * _DEEP + b"1" + b"}" * _DEEP,
    "deep block": b"#!yaml\n" + b"".join(b" " * i + b"a:\n" for i in range(900)),
    "deep sequence in a line": b"#!yaml\n" + b"- " * _DEEP + b"a\n",
    "unclosed flow": b"#!yaml\na: " + b"[" * _DEEP,
    "alias bomb": b"#!yaml\na0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    + b"".join(
        b"a%d: &a%d [%s]\n" % (i, i, b", ".join([b"*a%d" % (i - 1)] * 9)) for i in range(1, 30)
    ),
    "merge bomb": b"#!yaml\nm0: &m0 {"
    + b", ".join(b"k%d: 1" % i for i in range(2000))
    + b"}\n"
    + b"".join(b"m%d: {<<: *m0}\n" % i for i in range(1, 900)),
    "alias of itself": b"#!yaml\na: &a [*a]\n",
    "many aliases": b"#!yaml\na: &a x\nb: [" + b", ".join([b"*a"] * 5000) + b"]\n",
    "huge number in YAML": b"#!yaml\na: " + b"1" * 500_000 + b"\n",
    "binary": bytes(range(256)) * 16,
    "null bytes": b"#!yaml\na: b\n\0\0\0\n",
    "latin-1": "a: caf\xe9\n".encode("latin-1"),
    "utf-16": "a: b\n".encode("utf-16"),
    "tabs": b"#!yaml\na:\n\ttest.nop: []\n",
    "huge file": b"#!yaml\n" + b"".join(b"k%d: x\n" % i for i in range(200_000)),
    "many values": b"#!yaml\na: [" + b"1," * 300_000 + b"1]\n",
    "a list": b"#!yaml\n- a\n- b\n",
    "a text": b"#!yaml\njust a text\n",
    "a tag of Python's": b"#!yaml\na: !!python/object/apply:os.system [id]\n",
    "two documents": b"#!yaml\na: b\n---\nc: d\n",
    "JSON nested deeply": b"#!json\n" + b"[" * _DEEP + b"]" * _DEEP,
    "unknown renderer": b"#!nosuch\na: b\n",
    "renderer that loops": b"#!py\ndef run():\n    while True:\n        pass\n",
    "renderer that swallows": (
        b"#!py\ndef run():\n    while True:\n        try:\n            while True: pass\n"
        b"        except BaseException: pass\n"
    ),
    "renderer that sleeps": b"#!py\nimport time\ndef run():\n    time.sleep(600)\n",
    "renderer that raises": b"#!py\ndef run():\n    raise ValueError('no')\n",
    "renderer that exits": b"#!py\nimport sys\ndef run():\n    sys.exit(3)\n",
    "renderer that recurses": b"#!py\ndef run():\n    return run()\n",
    "renderer that takes all memory": b"#!py\ndef run():\n    return {'a': 'x' * 10 ** 10}\n",
    "renderer without run": b"#!py\nx = 1\n",
    "renderer that is no Python": b"#!py\ndef run(:\n",
}
"""Files that are SLS or pillar, but no templates of managed files."""


def _chain(folder: Path, way: Way) -> None:
    for number in range(400):
        (folder / f"c{number}.sls").write_text(f"include: [c{number + 1}]\n")
    (folder / "bad.sls").write_text("include: [c0]\n")


def _imports_itself(folder: Path, way: Way) -> None:
    name = FILE[way]
    (folder / name).write_text(f"{{% from '{name}' import x %}}\n{{{{ x }}}}\n")


def _includes_itself(folder: Path, way: Way) -> None:
    (folder / FILE[way]).write_text(f"{{% include '{FILE[way]}' %}}\n")


def _link_loop(folder: Path, way: Way) -> None:
    (folder / FILE[way]).symlink_to(FILE[way])


def _link_outside(folder: Path, way: Way) -> None:
    (folder / FILE[way]).symlink_to("/etc/passwd")


def _fifo(folder: Path, way: Way) -> None:
    os.mkfifo(folder / FILE[way])


def _very_large(folder: Path, way: Way) -> None:
    with (folder / FILE[way]).open("wb") as file:
        file.truncate(3 * 1024**3)


BUILT: Final[dict[str, tuple[Callable[[Path, Way], None], tuple[Way, ...]]]] = {
    "deep includes": (_chain, ("sls", "pillar")),
    "template that imports itself": (_imports_itself, ("sls", "pillar", "template")),
    "template that includes itself": (_includes_itself, ("sls", "pillar", "template")),
    "link in a circle": (_link_loop, ("sls", "pillar", "template")),
    "link out of the root": (_link_outside, ("sls", "pillar", "template")),
    "a pipe": (_fifo, ("sls", "pillar", "template")),
    "a sparse file of 3 GiB": (_very_large, ("sls", "pillar")),
}

STATES: Final[dict[str, str]] = {
    "requisites in a circle": (
        "a: {test.nop: [{require: [{test: b}]}]}\nb: {test.nop: [{require: [{test: a}]}]}\n"
    ),
    "itself required": "a: {test.nop: [{require: [{test: a}]}]}\n",
    "100,000 states": "{% for i in range(99999) %}s{{ i }}: {test.nop: []}\n{% endfor %}",
    "all require all": (
        "{% for i in range(9000) %}s{{ i }}: {test.nop: [{require: [{test: 's*'}]}]}\n{% endfor %}"
    ),
    "an id that is a number": "1: {test.nop: []}\n",
    "a state that is a text": "a: {test: nop}\n",
    "a requisite that is a text": "a: {test.nop: [{require: b}]}\n",
    "missing requisite": "a: {test.nop: [{require: [{test: b}]}]}\n",
    "missing include": "include: [nowhere]\n",
    "extend of nothing": "extend: {nowhere: {test.nop: [{x: 1}]}}\n",
}
"""SLS that render, and are wrong as states."""


@dataclass(frozen=True)
class BadTree:
    """One tree."""

    name: str
    way: Way
    build: Callable[[Path], None]
    """Writes its bad file into the folder that is handed in."""
    named: str
    """What the error has to name."""

    def __str__(self) -> str:
        return f"{self.name} as {self.way}"


def _writing(content: bytes, way: Way) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / FILE[way]).write_bytes(content)

    return write


def _building(build: Callable[[Path, Way], None], way: Way) -> Callable[[Path], None]:
    return lambda folder: build(folder, way)


def all_trees() -> Iterator[BadTree]:
    """Give every tree, in each way that it can come."""
    ways: tuple[Way, ...] = ("sls", "pillar", "template")
    for name, text in TEMPLATES.items():
        for way in ways:
            named = "base:bad" if way == "sls" else FILE[way]
            yield BadTree(name, way, _writing(text.encode(), way), named)
    for name, content in DOCUMENTS.items():
        for way in ways[:2]:
            yield BadTree(name, way, _writing(content, way), "bad")
    for name, (build, several) in BUILT.items():
        for way in several:
            named = "bad" if name != "deep includes" else "c199" if way == "sls" else "c400"
            yield BadTree(name, way, _building(build, way), named)
    for name, text in STATES.items():
        named = "nowhere" if "nowhere" in text else "bad"
        yield BadTree(name, "sls", _writing(text.encode(), "sls"), named)


def lay(tree: BadTree, root: Path, *, limit_s: float) -> list[str]:
    """Write a tree and its configuration below a folder; give the call that meets it."""
    states, pillar = root / "states", root / "pillar"
    for each in (states, pillar):
        each.mkdir(parents=True)
    (states / "top.sls").write_text("base: {'*': [good]}\n")
    (states / "good.sls").write_text("fine: {test.nop: []}\n")
    (root / "minion.yaml").write_text(
        f"id: here\nfile_roots: {{base: [{states}]}}\npillar_roots: {{base: [{pillar}]}}\n"
        f"custom: {{render_timeout: {limit_s}, pillar_safe_render_error: false}}\n"
    )
    tree.build(root / FOLDER[tree.way])
    if tree.way == "pillar":
        (pillar / "top.sls").write_text("base: {'*': [bad]}\n")
        return ["state.apply"]
    if tree.way == "sls":
        return ["state.apply", "bad"]
    (states / "managed.sls").write_text(
        f"{root}/made:\n  file.managed: [{{source: 'salt://bad.jinja'}}, {{template: jinja}}]\n"
    )
    return ["state.apply", "managed"]
