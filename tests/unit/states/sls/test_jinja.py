"""Jinja as Salt has it: filters, tags, imports, functions, and errors with their place."""

import re
from typing import Any

import pytest

from limpet.common.errors import HostError, UsageError
from limpet.states.sls.errors import RenderError
from support.states.sls_trees import MemoryFunctions, printed, renderers


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("{'b': 1, 'a': [1, none]} | json", '{"a": [1, null], "b": 1}'),
        ("{'b': 1, 'a': 2} | yaml", "{a: 2, b: 1}"),
        ("{'b': [1], 'a': 'x: y'} | yaml(False)", "a: 'x: y'\nb:\n- 1"),
        ("'text' | yaml", "text"),
        ("{'b': '<é>'} | tojson", '{"b": "\\u003c\\u00e9\\u003e"}'),
        ("'it' | yaml_dquote ~ 'x' | yaml_squote", "\"it\"'x'"),
        ("'0644' | yaml_encode ~ 5 | yaml_encode ~ none | yaml_encode", '"0644"5null'),
        ("'{a: [1, 010]}' | load_yaml", "{'a': [1, 10]}"),
        ("'{\"a\": 1}' | load_json", "{'a': 1}"),
        ("'ab12' | regex_search('([0-9])([0-9])')", "('1', '2')"),
        ("'ab12' | regex_match('[0-9]')", "None"),
        ("'ab12' | regex_match('[a-z]+')", "('ab',)"),
        ("'lets x  y' | regex_replace('\\\\s+', '_')", "lets_x_y"),
        ("'AbC' | regex_replace('B', '-', ignorecase=True)", "A-C"),
        (
            "'yes' | to_bool, 'on' | to_bool, 3 | to_bool, [] | to_bool",
            "(True, False, True, False)",
        ),
        ("'1.5' | to_num, '7' | to_num, 'x' | to_num", "(1.5, 7, 'x')"),
        (
            "'5 KiB' | human_to_bytes, '2GB' | human_to_bytes(handle_metric=True)",
            "(5120, 2000000000)",
        ),
        (
            "'camelCaseX' | to_snake_case, 'snake_case' | to_camelcase",
            "('camel_case_x', 'snakeCase')",
        ),
        ('"it\'s" | quote', "'it'\"'\"'s'"),
        ("'/a' | path_join('/b', 'c/')", "/a/b/c"),
        ("'2020-01-31' | strftime('%d.%m.%Y')", "31.01.2020"),
        ("0 | strftime('%H') | length", "2"),
        ("'x' | sequence | first ~ [1] | sequence | first", "x1"),
        (
            "[1, [2, [3, none]]] | flatten, [1, [2, [3]]] | flatten(levels=1)",
            "([1, 2, 3], [1, 2, [3]])",
        ),
        ("[3, 3, 1] | unique, [1] | union([2]), [1, 2] | difference([2])", "([3, 1], [1, 2], [1])"),
        ("[1, 2] | intersect([2]), [1, 2] | symmetric_difference([2, 3])", "([2], [1, 3])"),
        ("{'a': {'b': [5, {'k': 6}]}} | traverse('a:b:1:k')", "6"),
        ("{'a': {1: 'one'}} | traverse('a:1')", "one"),
        ("{'a': 1} | traverse('a:x', 'none')", "none"),
        ("[1, 2] | compare_lists([2, 3])", "{'new': [3], 'old': [1]}"),
        ("{'a': 1} | compare_dicts({'a': 2})", "{'a': {'old': 1, 'new': 2}}"),
        (
            "{} | set_dict_key_value('a:b', 1) | append_dict_key_value('c', 2)",
            "{'a': {'b': 1}, 'c': [2]}",
        ),
        ("{'a': {'x': 1}} | update_dict_key_value('a', {'y': 2})", "{'a': {'x': 1, 'y': 2}}"),
        ("{'a': 1} | to_entries | from_entries", "{'a': 1}"),
        ("'lo' | substring_in_list(['hello'])", "True"),
        ("['b', 'A'] | sorted_ignorecase | join", "Ab"),
        ("'web1' | check_whitelist_blacklist(whitelist='web*', blacklist=['web2'])", "True"),
        ("'x' | md5, 'x' | sha1 | length", "('9dd4e461268c8034f5c8564e155c67a6', 40)"),
        ("'é' | base64_encode | base64_decode", "é"),
        ("'x' | hmac_compute('k') | length", "64"),
        ("'a' | uuid == 'a' | uuid", "True"),
        ("['192.0.2.1', 'x', '::1'] | ipaddr, ['::1'] | ipv4", "(['192.0.2.1', '::1'], [])"),
        ("'10.1.2.3' | is_ip('private'), '10.1.2.3' | is_ipv4(options='public')", "(True, False)"),
        (
            "'192.0.2.0/30' | network_hosts, '192.0.2.0/24' | network_size",
            "(['192.0.2.1', '192.0.2.2'], 256)",
        ),
        ("['::1', '10.0.0.1'] | ipwrap", "['[::1]', '10.0.0.1']"),
        ("['10.0.0.1', '192.0.2.1'] | filter_by_networks(['10.0.0.0/8'])", "['10.0.0.1']"),
        (
            "[1] | is_list, 'x' is match('x'), [1] is list, 1 is equalto(1)",
            "(True, True, True, True)",
        ),
        ("[1, 2] | zip(['a', 'b']) | list", "[(1, 'a'), (2, 'b')]"),
        (
            "{'n': {'a': 1, 'c': [{'d': 2}]}} | xml",
            '<?xml version="1.0" ?>\n<n a="1">\n <c d="2"/>\n</n>\n',
        ),
        ("{'a': 'x\\ny'}", "{'a': \"x\\ny\"}"),
        ("[1, 2] | exactly_n_true(2), [0, 1] | exactly_one_true", "(True, True)"),
    ],
)
def test_an_expression_prints_what_salt_prints(expression: str, text: str) -> None:
    pairs = "{{ " + (f"({expression})" if ", '" in expression else expression) + " }}"
    found = printed(pairs)
    assert _same(found, text), f"{found!r} is not {text!r}"


def _same(found: str, text: str) -> bool:
    return found == text or found == f"({text})" or f"({found})" == text


def test_no_filter_that_can_break_out_of_html_is_there() -> None:
    for name in ("urlize", "xmlattr"):
        with pytest.raises(RenderError, match="No filter named"):
            printed("{{ 'x' | " + name + " }}")


def test_load_tags_keep_what_is_set_inside_to_themselves() -> None:
    template = (
        "{% set x = 1 %}{% load_yaml as y %}{% set x = 2 %}v: {{ x }}{% endload %}"
        "{% load_text as t %} a {% endload %}{{ y.v }}{{ x }}[{{ t }}]"
        "{% profile as 'p' %}!{% endprofile %}"
    )
    assert printed(template) == "21[ a ]!"


def test_imports_with_and_without_context_see_their_own_place() -> None:
    files = {
        "lib/a.jinja": "{% set seen = tpldir ~ grains.os ~ mine | default('-') %}",
        "lib/data.yaml": "k: {{ pillar.port }}\n",
        "lib/data.json": '{"k": 2}',
        "lib/t.txt": "{{ 'plain' }}",
    }
    template = (
        "{% set mine = 'mine' %}{% from 'lib/a.jinja' import seen %}{{ seen }} "
        "{% from 'lib/a.jinja' import seen with context %}{{ seen }} "
        "{% import_yaml 'lib/data.yaml' as y %}{{ y.k }}"
        "{% import_json 'lib/data.json' as j %}{{ j.k }}{% import_text 'lib/t.txt' as t %}{{ t }}"
    )
    assert printed(template, files, tpldir="top") == "libDebian- topDebianmine 802plain"


def test_a_relative_import_is_found_beside_the_template_that_names_it() -> None:
    files = {
        "a/one.jinja": "{% from './two.jinja' import x %}{% set y = x %}",
        "a/two.jinja": "{% from '../up.jinja' import u %}{% set x = 'two' ~ u %}",
        "up.jinja": "{% set u = 'up' %}",
    }
    template = "{% from 'a/one.jinja' import y %}{{ y }}"
    assert printed(template, files, tpldir="b", tplfile="b/t.j2") == "twoup"
    with pytest.raises(RenderError, match=r"\.\./\.\./up\.jinja"):
        printed("{% from '../../up.jinja' import u %}", files, tpldir="a", tplfile="a/t.j2")


def test_functions_are_called_by_key_and_by_attribute() -> None:
    functions = MemoryFunctions(test__echo=lambda text: text, cmd__shell=lambda _c: "shell")
    functions._functions["cmd.run"] = lambda _command: "run"
    template = (
        "{{ salt['test.echo']('a') }}{{ salt.test.echo('b') }}{{ 'test.echo' in salt }}"
        "{{ salt['no.no'] is defined }}{{ salt.get('no.no') }}{{ salt['cmd.run']('x') }}"
    )
    found = renderers(functions=functions).template(template, "base", "/t", {})
    assert found == "abTrueFalseNoneshell"


@pytest.mark.parametrize(
    ("template", "problem", "line"),
    [
        ("a\n{{ nothing }}", "Jinja variable 'nothing' is undefined", 2),
        ("{{ pillar.none.more }}", "has no attribute 'none'", 1),
        ("a\nb\n{% endfi %}", "Jinja syntax error: Encountered unknown tag 'endfi'", 3),
        ("{% if %}", "Jinja syntax error", 1),
        ("{{ salt['no.fun']() }}", r"'salt' has no attribute 'no\.fun'; line", 1),
        ("{{ salt['bad.cal']() }}", r"attribute 'bad\.cal'; did you mean 'bad\.call'\?", 1),
        ("{{ salt.bad.hos() }}", r"attribute 'hos'", 1),
        ("\n{{ salt['bad.call']() }}", "Problem running salt function in Jinja template: bad", 2),
        ("\n{{ salt['bad.host']() }}", "Problem running salt function in Jinja template: host", 2),
        ("{{ 1 / 0 }}", "Jinja error: division by zero", 1),
        ("{{ raise('stop here') }}", "Jinja syntax error: stop here", 1),
        ("\n{% import_yaml 'none.yaml' as x %}", "Jinja error: none.yaml", 2),
        ("{{ '{a: [' | load_yaml }}", "load_yaml: did not find expected", 1),
        ("{{ '{' | load_json }}", "Unable to load json", 1),
        ("{% for i in range(9999999) %}x{% endfor %}", "Range too big", 1),
    ],
)
@pytest.mark.covers("B-59")
def test_an_error_names_what_and_where(template: str, problem: str, line: int) -> None:
    def fails(error: Exception) -> Any:  # noqa: ANN401
        raise error

    functions = MemoryFunctions(
        bad__call=lambda: fails(UsageError("bad")), bad__host=lambda: fails(HostError("host"))
    )
    with pytest.raises(RenderError) as caught:
        renderers(functions=functions).template(template, "base", "/srv/base/t.j2", {})
    assert re.search(problem, caught.value.told)
    assert caught.value.line == line
    assert caught.value.path == "/srv/base/t.j2"


def test_an_error_in_an_import_shows_that_file() -> None:
    files = {"lib.jinja": "{% macro f(x) %}\n{{ x + nothing }}\n{% endmacro %}\n"}
    with pytest.raises(RenderError) as caught:
        printed("{% from 'lib.jinja' import f with context %}\n{{ f(1) }}", files)
    assert (caught.value.path, caught.value.line) == ("/srv/base/lib.jinja", 2)
    assert "/srv/base/lib.jinja(2):\n---\n" in caught.value.told
    assert "{{ x + nothing }}    <====" in caught.value.told


@pytest.mark.covers("B-58")
@pytest.mark.parametrize(
    "expression",
    [
        "''.__class__.__mro__",
        "'{0.__class__.__mro__}'.format('')",
        "('' | attr('__class__')).__mro__",
        "cycler.__init__.__globals__",
        "namespace.__init__.__globals__",
        "salt.__class__.__init__.__globals__",
        "'x' | method_call('__class__')",
        "lipsum.__globals__",
    ],
)
def test_a_template_reaches_no_inside_of_python(expression: str) -> None:
    with pytest.raises(RenderError):
        printed("{{ " + expression + " }}")


@pytest.mark.covers("B-57")
def test_endless_recursion_is_an_error() -> None:
    files = {"self.jinja": "{% include 'self.jinja' %}"}
    with pytest.raises(RenderError, match="recursion"):
        printed("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}")
    with pytest.raises(RenderError, match="recursion"):
        printed("{% include 'self.jinja' %}", files)
    with pytest.raises(RenderError):
        printed("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}")


def test_what_a_value_prints_is_never_rendered_again() -> None:
    assert printed("{{ v }}", v="{{ 7 * 7 }} {% raw %}") == "{{ 7 * 7 }} {% raw %}"


def test_the_final_line_end_stays_and_blocks_are_trimmed_where_the_file_says_so() -> None:
    assert printed("a\n") == "a\n"
    assert printed("a") == "a"
    assert printed('#jinja2: {"trim_blocks": true}\n{% if true %}\nx\n{% endif %}\n') == "x\n\n"
    assert printed("#jinja2: nonsense\nx") == "#jinja2: nonsense\nx"
