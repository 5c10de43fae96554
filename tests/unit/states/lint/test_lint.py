"""Lint of small trees: each planted mistake is named with its line, and clean trees are clean."""

from pathlib import Path

import pytest

from limpet.common.errors import UsageError
from limpet.states.lint.findings import RULES, Finding
from limpet.states.lint.lint import Lint
from limpet.states.lint.tree.finding import tree_at

CLEAN = {
    "salt/top.sls": (
        "base:\n  '*':\n    - web\n  'G@os:Debian':\n    - match: compound\n    - users\n"
    ),
    "salt/web/init.sls": """
{%- from 'web/map.jinja' import web with context %}
include:
  - .service
web-config:
  file.managed:
    - name: {{ web.config }}
    - source: salt://web/files/conf.jinja
    - template: jinja
    - mode: '0644'
    - context:
        port: {{ salt['pillar.get']('web:port', 80) }}
    - watch_in:
      - service: web-service
{% for name, site in pillar.get('sites', {}).items() %}
site-{{ name }}:
  file.managed:
    - name: /etc/web/{{ name }}
    - contents: {{ site.root }}
    - require:
      - file: web-config
{% endfor %}
""",
    "salt/web/service.sls": (
        "web-service:\n  service.running:\n    - name: web\n    - enable: True\n"
    ),
    "salt/web/map.jinja": (
        "{% set web = salt['grains.filter_by']({'Debian': {'config': '/etc/web.conf'}, "
        "'RedHat': {'config': '/etc/httpd.conf'}}, default='Debian') %}\n"
    ),
    "salt/web/files/conf.jinja": "port {{ port }}\nhost {{ grains['host'] }} {{ pillar.secret }}\n",
    "salt/users.sls": (
        "{% set shell = salt['cmd.run']('cat /etc/shells') %}\n"
        "{% if shell %}\nodd:\n  test.nop: []\n{% endif %}\n"
        "someone:\n  user.present:\n    - shell: {{ shell }}\n"
        "    - home: {{ pillar['homes']['a'] }}\n"
    ),
    "pillar/top.sls": "base:\n  '*':\n    - data\n",
    "pillar/data.sls": "sites: {one: {root: /srv/one}}\nweb: {port: 8080}\n",
}


def lint(root: Path, files: dict[str, str | bytes], *, is_strict: bool = False) -> list[Finding]:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Lint(tree_at(str(root)), is_strict=is_strict).findings()


def found_in(root: Path, text: str | bytes, **more: str) -> list[tuple[str, int | None]]:
    """Lint a tree whose `a.sls` is the text; give rules and lines."""
    files: dict[str, str | bytes] = {"top.sls": "base:\n  '*':\n    - a\n", "a.sls": text}
    files.update(
        {name.replace("__", "/").replace("_sls", ".sls"): each for name, each in more.items()}
    )
    return [(each.rule, each.line) for each in lint(root, files)]


def test_a_clean_tree_has_no_findings(tmp_path: Path) -> None:
    assert lint(tmp_path, dict(CLEAN)) == []


def test_a_clean_tree_has_none_for_the_strict_either(tmp_path: Path) -> None:
    assert lint(tmp_path, dict(CLEAN), is_strict=True) == []


PLANTED: list[tuple[str, str | bytes, int | None]] = [
    ("yaml-syntax", "a: b: c\n", 1),
    ("tab-indentation", "a:\n\ttest.nop: []\n", 2),
    ("duplicate-key", "a:\n  test.nop: []\nb:\n  test.nop: []\na:\n  test.nop: []\n", 5),
    ("duplicate-key", "a:\n  test.configurable_test_state:\n    - name: x\n      name: y\n", 4),
    ("unquoted-braces", "#!yaml\na:\n  test.nop:\n    - name: {{ b }}\n", 4),
    ("unknown-renderer", "#!jinja|yamll\na: {}\n", 1),
    ("jinja-syntax", "{% if a %}\na: {}\n", 1),
    ("jinja-syntax", "\n{% frobnicate %}\n", 2),
    ("unknown-filter", "\n# {{ 'a'|nosuch }}\n", 2),
    ("unknown-test", "{% if 'a' is nosuch %}{% endif %}\n", 1),
    ("undefined-variable", "a:\n  test.nop:\n    - name: {{ nothing }}\n", 3),
    ("missing-template", "{% from 'no/map.jinja' import x %}\n", 1),
    ("unknown-function", "{% set x = salt['pkg.verson']('x') %}\n", 1),
    ("unknown-function", "\n{% do salt.fil.remove('x') %}\n", 2),
    ("unknown-grain", "# {{ grains['os_famly'] }}\n", 1),
    ("render", "{{ 1 / 0 }}\n", 1),
    ("encoding", "a: caf\xe9\n".encode("latin-1"), 1),
    ("encoding", b"a: b\n\0\n", 2),
    ("byte-order-mark", b"\xef\xbb\xbfa:\n  test.nop: []\n", 1),
    ("line-ends", b"a:\r\n  test.nop: []\nb:\r\n  test.nop: []\n", 2),
    ("sls-shape", "- a\n- b\n", 1),
    ("id-shape", "12:\n  test.nop: []\n", 1),
    ("declaration-shape", "a:\nb:\n  test.nop: []\n", 1),
    ("declaration-shape", "a:\n  - test.nop\n", 1),
    ("declaration-shape", "a:\n  test.nop:\n    name: x\n", 2),
    ("declaration-shape", "a:\n  pkg.installed:\n", 2),
    ("declaration-shape", "a:\n  file.managed:\n    - name /etc/x\n", 3),
    ("no-function", "a:\n  pkg:\n    - name: x\n", 2),
    ("several-functions", "a:\n  file:\n    - managed\n    - absent\n", 2),
    ("repeated-module", "a:\n  file.managed: []\n  file.absent: []\n", 3),
    ("unknown-state", "a:\n  fille.managed: []\n", 2),
    ("unknown-state", "a:\n  test.nop: []\n  require:\n    - test: b\n", 3),
    ("unknown-state-function", "a:\n  file.manged: []\n", 2),
    ("unknown-argument", "/x:\n  file.managed:\n    - contens: x\n", 3),
    ("unknown-argument", "/x:\n  file.managed:\n    - owner: root\n", 3),
    ("missing-argument", "/x:\n  file.replace:\n    - pattern: x\n", 2),
    ("argument-type", "/x:\n  file.managed:\n    - user: [root]\n", 3),
    ("argument-type", "a:\n  test.nop:\n    - names: {}\n", 3),
    ("repeated-argument", "/x:\n  file.managed:\n    - mode: '0600'\n    - mode: '0644'\n", 4),
    ("file-mode", "/x:\n  file.managed:\n    - mode: 0o644\n", 3),
    ("file-mode", "/x:\n  file.managed:\n    - mode: abc\n", 3),
    ("file-mode", "/x:\n  file.managed:\n    - mode: 0888\n", 3),
    ("order", "a:\n  test.nop:\n    - order: soon\n", 3),
    ("condition-shape", "a:\n  test.nop:\n    - unless: {a: b}\n", 3),
    ("condition-shape", "a:\n  test.nop:\n    - creates: [1]\n", 3),
    ("unknown-function", "a:\n  test.nop:\n    - onlyif:\n      - fun: file.exsts\n", 3),
    ("retry", "a:\n  test.nop:\n    - retry:\n        attemps: 3\n", 3),
    ("unknown-function", "a:\n  module.run:\n    - service.relod:\n      - name: x\n", 3),
    ("module-run", "a:\n  module.run:\n    - name: test.ping\n    - test.ping: []\n", 4),
    ("missing-source", "/x:\n  file.managed:\n    - source: salt://nowhere/x\n", 3),
    ("unknown-requisite-kind", "a:\n  test.nop:\n    - requires:\n      - test: b\n", 3),
    ("unknown-requisite-kind", "a:\n  test.nop:\n    - lisen_in:\n      - test: a\n", 3),
    ("requisite-shape", "a:\n  test.nop:\n    - require: b\n", 3),
    ("requisite-shape", "a:\n  test.nop:\n    - require:\n      - test.nop: b\n", 4),
    ("requisite-shape", "a:\n  test.nop:\n    - require:\n      - test: 12\n", 4),
    ("missing-requisite", "a:\n  test.nop:\n    - require:\n      - test: b\n", 4),
    (
        "missing-requisite",
        "a:\n  test.nop: []\nb:\n  test.nop:\n    - require:\n      - cmd: a\n",
        6,
    ),
    ("missing-requisite", "a:\n  test.nop:\n    - require_in:\n      - pgk: a\n", 4),
    ("self-requisite", "a:\n  test.nop:\n    - require:\n      - test: a\n", 4),
    (
        "requisite-cycle",
        "a:\n  test.nop:\n    - require:\n      - test: b\nb:\n  test.nop:\n    - require:\n"
        "      - test: a\n",
        8,
    ),
    (
        "requisite-cycle",
        "a:\n  test.nop:\n    - prereq:\n      - test: b\nb:\n  test.nop:\n    - prereq:\n"
        "      - test: a\n",
        None,
    ),
    ("missing-include", "include:\n  - nowhere\n", 2),
    ("include-shape", "include: nowhere\n", 1),
    ("unknown-extend", "extend:\n  nowhere:\n    test.nop:\n      - x: 1\n", 2),
    ("unknown-exclude", "exclude:\n  - sls: nowhere\na:\n  test.nop: []\n", 2),
    ("unknown-environment", "include:\n  - dev: a\n", 2),
    ("python", "#!py\ndef run(:\n", 2),
    ("python", "#!py\nx = 1\n", None),
]


@pytest.mark.parametrize(
    ("rule", "text", "line"), PLANTED, ids=[f"{n}-{each[0]}" for n, each in enumerate(PLANTED)]
)
def test_a_planted_mistake_is_named_with_its_line(
    rule: str, text: str | bytes, line: int | None, tmp_path: Path
) -> None:
    found = found_in(tmp_path, text)
    assert rule in [each for each, _ in found], found
    if line is not None:
        assert (rule, line) in found


def test_each_planted_rule_exists() -> None:
    assert {rule for rule, _, _ in PLANTED} <= set(RULES)


def test_one_mistake_hides_no_other(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        f"s{number}.sls": text for number, (_, text, _) in enumerate(PLANTED)
    }
    found = lint(tmp_path, {"top.sls": "base:\n  '*':\n    - s0\n", **files})
    by_file = {(Path(each.file).name, each.rule) for each in found}
    missing = [
        (f"s{number}.sls", rule)
        for number, (rule, _, _) in enumerate(PLANTED)
        if (f"s{number}.sls", rule) not in by_file
        # These need the one file to be alone: ids of others are near enough to be meant.
        and rule not in ("missing-requisite", "requisite-not-included")
    ]
    assert missing == []


def test_a_watch_to_which_nothing_reacts_is_told_to_the_strict(tmp_path: Path) -> None:
    text = (
        "a:\n  test.nop: []\n/x:\n  host.present:\n    - ip: 192.0.2.1\n    - watch:\n"
        "      - test: a\n"
    )
    files: dict[str, str | bytes] = {"top.sls": "base:\n  '*':\n    - a\n", "a.sls": text}
    assert lint(tmp_path, files) == []
    strict = lint(tmp_path, files, is_strict=True)
    assert [(each.rule, each.line) for each in strict] == [("watch-without-reaction", 6)]


def test_lines_are_those_of_the_source_though_loops_make_more(tmp_path: Path) -> None:
    text = (
        "{% for i in range(5) %}\na{{ i }}:\n  test.nop: []\n{% endfor %}\n"
        "b:\n  file.managed:\n    - contens: x\n"
    )
    assert found_in(tmp_path, text) == [("unknown-argument", 7)]


def test_a_typo_in_a_branch_for_other_hosts_is_found(tmp_path: Path) -> None:
    text = (
        "{% if grains.os_family == 'RedHat' %}\n/x:\n  file.managed:\n    - contens: x\n"
        "{% endif %}\n"
    )
    assert found_in(tmp_path, text) == [("unknown-argument", 4)]


def test_names_that_a_template_of_a_file_does_not_get_are_found(tmp_path: Path) -> None:
    found = lint(
        tmp_path,
        {
            "top.sls": "base:\n  '*':\n    - a\n",
            "a.sls": (
                "/x:\n  file.managed:\n    - source: salt://x.conf\n    - template: jinja\n"
                "    - context:\n        port: 1\n"
            ),
            "x.conf": "{{ port }}\n{{ prot }}\n{% if host is defined %}{{ host }}{% endif %}\n",
        },
    )
    assert [(each.rule, each.line, each.hint) for each in found] == [
        ("template-context", 2, "did you mean 'port'?")
    ]


def test_an_import_of_a_name_that_is_not_there_is_found(tmp_path: Path) -> None:
    found = found_in(
        tmp_path, "{% from 'map' import server, prot %}\n# {{ server }} {{ prot }}\n",
        map="{% set server = 1 %}{% set port = 2 %}",
    )  # fmt: skip
    assert found == [("missing-import-name", 1)]


def test_ids_in_two_sls_that_meet_are_found(tmp_path: Path) -> None:
    text = "include:\n  - b\nx:\n  test.nop: []\n"
    found = found_in(tmp_path, text, b_sls="x:\n  test.fail_without_changes: []\n")
    assert found == [("duplicate-id", 3)]


def test_top_files_are_judged(tmp_path: Path) -> None:
    found = lint(
        tmp_path,
        {
            "salt/top.sls": (
                "base:\n  '*':\n    - nowhere\n  'G@os:':\n    - a\n  'x':\n    - match: globb\n"
                "    - a\n  'y': a\ndev:\n  '*':\n    - a\n"
            ),
            "salt/a.sls": "a:\n  test.nop: []\n",
            "pillar/top.sls": "base:\n  '*':\n    - nowhere\n",
            "pillar/list.sls": "- a\n",
        },
    )
    assert {(Path(each.file).parts[-2], each.rule, each.line) for each in found} >= {
        ("salt", "top-missing-sls", 3),
        ("salt", "top-target", 6),
        ("salt", "top-shape", 9),
        ("salt", "unknown-environment", 10),
        ("pillar", "top-missing-sls", 3),
        ("pillar", "pillar-shape", 1),
    }


def test_files_that_no_name_reaches_are_found(tmp_path: Path) -> None:
    found = lint(
        tmp_path,
        {
            "top.sls": "base:\n  '*':\n    - a\n",
            "a.sls": "a:\n  test.nop: []\n",
            "a/init.sls": "b:\n  test.nop: []\n",
            "web/v1.2.sls": "c:\n  test.nop: []\n",
        },
    )
    assert [(Path(each.file).name, each.rule) for each in found] == [
        ("init.sls", "shadowed-sls"),
        ("v1.2.sls", "unreachable-sls"),
    ]


def test_links_in_a_circle_are_found(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert ("link-loop", None) in found_in(tmp_path, "a:\n  test.nop: []\n")


def test_templates_run_nothing_on_this_host(tmp_path: Path) -> None:
    made = tmp_path / "made"
    text = f"{{% do salt['file.touch']('{made}') %}}{{% do salt['cmd.run']('touch {made}') %}}\n"
    assert found_in(tmp_path, text) == []
    assert not made.exists()


def test_an_endless_template_is_a_finding(tmp_path: Path) -> None:
    text = "\n{% set n = 10 ** 9 %}\n{{ 'a' * n }}\n"
    assert found_in(tmp_path, text) == [("limit", 3)]


def test_own_modules_of_a_tree_are_known(tmp_path: Path) -> None:
    found = lint(
        tmp_path,
        {
            "top.sls": "base:\n  '*':\n    - a\n",
            "_states/shop.py": "def open(name, hours=None):\n    return {}\n",
            "_modules/shop.py": "def is_open():\n    return True\n",
            "a.sls": (
                "{% set x = salt['shop.is_open']() %}\na:\n  shop.open:\n    - hours: 9\n"
                "b:\n  shop.close: []\nc:\n  shop.open:\n    - huors: 9\n"
            ),
        },
    )
    assert [(each.rule, each.line) for each in found] == [
        ("unknown-state-function", 6),
        ("unknown-argument", 9),
    ]


def test_one_file_of_a_tree_is_judged_alone(tmp_path: Path) -> None:
    lint(tmp_path, {"top.sls": "base: {}\n", "a.sls": "a: b: c\n", "b.sls": "x:\n  fil.x: []\n"})
    found = Lint(tree_at(str(tmp_path / "b.sls"))).findings()
    assert [(Path(each.file).name, each.rule) for each in found] == [("b.sls", "unknown-state")]


def test_a_path_without_a_tree_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no tree of states"):
        tree_at(str(tmp_path))
    with pytest.raises(UsageError, match="no such file"):
        tree_at(str(tmp_path / "gone"))
