"""The forms in which `slsutil` writes and reads data, by Salt's names of serializers."""

import configparser
import io
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import jinja2
import msgspec

from limpet.common.errors import UsageError
from limpet.states.sls import yaml_text
from limpet.states.sls.jinja import serializing
from limpet.states.sls.yaml_source import Ordered

_YAML_OPTIONS: Final = ("width", "indent", "explicit_start", "explicit_end", "allow_unicode")


def _to_json(data: Any, options: Mapping[str, Any]) -> str:  # noqa: ANN401
    return json.dumps(data, **{"ensure_ascii": False, **options})


def _to_yaml(data: Any, options: Mapping[str, Any]) -> str:  # noqa: ANN401
    """Write YAML; what has no list or mapping inside is written in braces, as PyYAML once did."""
    known = {key: options[key] for key in _YAML_OPTIONS if key in options}
    flow = options.get("default_flow_style")
    text = yaml_text.dump(_in_order(data), flow=flow, **known)
    return text.removesuffix("\n").removesuffix("\n...")


def _in_order(data: Any) -> Any:  # noqa: ANN401
    """Have the dumper keep the order of mappings."""
    if isinstance(data, Mapping):
        return Ordered({key: _in_order(each) for key, each in data.items()})
    if isinstance(data, list | tuple):
        return [_in_order(each) for each in data]
    return data


def _to_configparser(data: Any, options: Mapping[str, Any]) -> str:  # noqa: ANN401
    parser = configparser.RawConfigParser()
    for section, values in data.items():
        parser.add_section(str(section))
        for key, value in values.items():
            parser.set(str(section), str(key), str(value))
    stream = io.StringIO()
    parser.write(stream)
    return stream.getvalue()


def _from_configparser(text: Any) -> dict[str, dict[str, str]]:  # noqa: ANN401
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(_text(text))
    except configparser.Error as error:
        raise UsageError(f"that is no text for configparser: {error}") from error
    return {name: dict(parser.items(name)) for name in parser.sections()}


def _from_msgpack(data: Any) -> Any:  # noqa: ANN401
    try:
        return msgspec.msgpack.decode(data)
    except (msgspec.DecodeError, TypeError) as error:
        raise UsageError(f"that is no msgpack: {error}") from error


def _loading(load: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def loaded(text: Any) -> Any:  # noqa: ANN401
        try:
            return load(_text(text))
        except jinja2.TemplateError as error:
            raise UsageError(f"slsutil.deserialize: {error}") from error

    return loaded


def _text(value: Any) -> str:  # noqa: ANN401
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


SERIALIZERS: Final[dict[str, Callable[[Any, Mapping[str, Any]], Any]]] = {
    "configparser": _to_configparser,
    "json": _to_json,
    "msgpack": lambda data, _options: msgspec.msgpack.encode(data),
    "python": lambda data, _options: str(serializing.to_python(data)),
    "yaml": _to_yaml,
    "yamlex": _to_yaml,
}
DESERIALIZERS: Final[dict[str, Callable[[Any], Any]]] = {
    "configparser": _from_configparser,
    "json": _loading(serializing.load_json),
    "msgpack": _from_msgpack,
    "yaml": _loading(serializing.load_yaml),
    "yamlex": _loading(serializing.load_yaml),
}
