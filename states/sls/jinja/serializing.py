"""Tags and filters that turn data into text and text into data.

`{% load_yaml as x %}…{% endload %}`, `{% import_yaml "file" as x %}`, the same with `json` and
`text`, and `{% profile as "name" %}…{% endprofile %}`, which here only renders what is inside.
"""

import itertools
import json
import pprint
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.environment import TemplateModule
from jinja2.ext import Extension
from jinja2.parser import Parser
from markupsafe import Markup

from limpet.states.sls import yaml_text
from limpet.states.sls.errors import RenderError
from limpet.states.sls.jinja.undefined import passing_undefined
from limpet.states.sls.yaml_source import load


class Serializing(Extension):
    """Salt's serializers; see the module."""

    tags = {  # noqa: RUF012 (so Jinja has it)
        "load_yaml",
        "load_json",
        "load_text",
        "import_yaml",
        "import_json",
        "import_text",
        "profile",
    }

    def __init__(self, environment: jinja2.Environment) -> None:
        super().__init__(environment)
        environment.filters.update(FILTERS)
        if environment.finalize is None:
            environment.finalize = printable

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        """Parse one of the tags."""
        word, _, format_name = parser.stream.current.value.partition("_")
        if word == "load":
            return self._load(parser, f"load_{format_name}")
        if word == "import":
            return self._import(parser, f"load_{format_name}")
        return self._profile(parser)

    def _load(self, parser: Parser, filter_name: str) -> nodes.Node:
        line = next(parser.stream).lineno
        parser.stream.expect("name:as")
        target = parser.parse_assign_target()
        body = parser.parse_statements(("name:endload",), drop_needle=True)
        loaded = nodes.Filter(None, filter_name, [], [], None, None, lineno=line)
        return nodes.AssignBlock(target, loaded, body, lineno=line)

    def _import(self, parser: Parser, filter_name: str) -> list[nodes.Node]:
        imported = parser.parse_import()
        name = imported.target
        text = nodes.Filter(
            nodes.Name(name, "load"), filter_name, [], [], None, None, lineno=imported.lineno
        )
        return [
            imported,
            nodes.Assign(nodes.Name(name, "store"), text, lineno=imported.lineno),
        ]

    def _profile(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        parser.stream.expect("name:as")
        parser.parse_expression()
        return parser.parse_statements(("name:endprofile",), drop_needle=True)


def printable(value: Any) -> Any:  # noqa: ANN401
    """Have mappings print so that YAML reads them again; called for each printed value."""
    if isinstance(value, dict | list | tuple) and not hasattr(value, "_fields"):
        return _Printed(value)
    return value


class _Printed:
    """A value that prints like Python's, save that texts of several lines are written for YAML."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:  # noqa: ANN401
        self._value = value

    def __str__(self) -> str:
        return _shown(self._value)


def _shown(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {_in_mapping(each)}" for key, each in value.items()) + "}"
    if type(value) is list:
        return "[" + ", ".join(_shown_inside(each) for each in value) + "]"
    if type(value) is tuple:
        inside = ", ".join(_shown_inside(each) for each in value)
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    return str(value)


def _shown_inside(value: Any) -> str:  # noqa: ANN401
    return _shown(value) if isinstance(value, dict | list | tuple) else repr(value)


def _in_mapping(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, str):
        if any(each in value for each in "\n\r\t"):
            return yaml_text.double_quoted(value)
        return repr(value)
    return _shown(value)


@passing_undefined
def to_yaml(value: Any, flow_style: bool = True) -> Markup:  # noqa: ANN401
    """Write data as YAML, in braces unless `flow_style` is false."""
    text = yaml_text.dump(value, flow=flow_style).strip()
    return Markup(text.removesuffix("\n..."))  # noqa: S704 (nothing here is HTML)


@passing_undefined
def to_json(value: Any, sort_keys: bool = True, indent: int | None = None) -> Markup:  # noqa: ANN401
    """Write data as JSON, keys sorted."""
    text = json.dumps(value, sort_keys=sort_keys, indent=indent, ensure_ascii=False).strip()
    return Markup(text)  # noqa: S704 (nothing here is HTML)


@passing_undefined
def to_python(value: Any) -> Markup:  # noqa: ANN401
    """Write data as Python would print it."""
    return Markup(pprint.pformat(_plain(value)).strip())  # noqa: S704 (nothing here is HTML)


def _plain(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value


@passing_undefined
def load_yaml(value: Any) -> Any:  # noqa: ANN401
    """Read YAML; mappings are dumped again with their keys sorted, as in Salt.

    Raises `TemplateRuntimeError` with the place in the text.
    """
    text = str(value)
    try:
        return load(text, "load_yaml", dict).data
    except RenderError as error:
        raise jinja2.TemplateRuntimeError(f"load_yaml: {error.told}") from error


@passing_undefined
def load_json(value: Any) -> Any:  # noqa: ANN401
    """Read JSON. Raises `TemplateRuntimeError`."""
    text = str(value) if isinstance(value, TemplateModule) else value
    try:
        return json.loads(text)
    except (ValueError, TypeError, AttributeError) as error:
        raise jinja2.TemplateRuntimeError(
            f"Unable to load json from {str(text)[:500]}: {error}"
        ) from error


@passing_undefined
def load_text(value: Any) -> Any:  # noqa: ANN401
    """Give the text as it is."""
    return str(value) if isinstance(value, TemplateModule) else value


@passing_undefined
def dict_to_sls_yaml_params(value: Any, flow_style: bool = False) -> Markup:  # noqa: ANN401
    """Write a mapping as the list of one-key mappings that a state takes."""
    text: Markup = to_yaml([{key: each} for key, each in value.items()], flow_style)
    return text


@passing_undefined
def to_xml(value: Any) -> Markup:  # noqa: ANN401
    """Write a mapping of one element as XML.

    Of what is inside an element, single values are attributes, mappings are children, and a list is
    one child after another of that name.
    """
    if not isinstance(value, Mapping) or len(value) != 1:
        raise jinja2.TemplateRuntimeError("xml: one mapping with one key, the root, is wanted")
    name, content = next(iter(value.items()))
    if isinstance(content, list):
        raise jinja2.TemplateRuntimeError("xml: there can be one root only, not a list of them")
    root = _element(str(name), content)
    ElementTree.indent(root, space=" ")
    # As Salt's writer leaves it: without a blank before the end of an empty element.
    text = ElementTree.tostring(root, encoding="unicode").replace(" />", "/>")
    return Markup(f'<?xml version="1.0" ?>\n{text}\n')  # noqa: S704 (nothing here is HTML)


def _element(name: str, content: Any) -> ElementTree.Element:  # noqa: ANN401
    made = ElementTree.Element(name)
    if not isinstance(content, Mapping):
        made.text = str(content)
        return made
    for key, inside in content.items():
        if isinstance(inside, list):
            made.extend(_element(str(key), each) for each in inside)
        elif isinstance(inside, Mapping):
            made.append(_element(str(key), inside))
        else:
            made.set(str(key), str(inside))
    return made


FILTERS: dict[str, Any] = {
    "yaml": to_yaml,
    "json": to_json,
    "python": to_python,
    "xml": to_xml,
    "load_yaml": load_yaml,
    "load_json": load_json,
    "load_text": load_text,
    "dict_to_sls_yaml_params": dict_to_sls_yaml_params,
    "combinations": passing_undefined(itertools.combinations),
    "combinations_with_replacement": passing_undefined(itertools.combinations_with_replacement),
    "compress": passing_undefined(itertools.compress),
    "permutations": passing_undefined(itertools.permutations),
    "product": passing_undefined(itertools.product),
    "zip": passing_undefined(zip),
    "zip_longest": passing_undefined(itertools.zip_longest),
}
"""The filters that `Serializing` adds."""
