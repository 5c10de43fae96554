"""Data as YAML text, in the forms that the filters of templates give."""

import io
import sys
from collections import OrderedDict
from typing import Any

import yaml

from limpet.states.sls.yaml_source import Ordered


class _Dumper(yaml.SafeDumper):
    """Mappings from files keep their order, others are sorted; what YAML has no form for is null.

    Lists inside mappings stand at the mapping's indentation, as Salt writes them.
    """

    def represent_in_order(self, data: Any) -> Any:  # noqa: ANN401
        return self.represent_mapping("tag:yaml.org,2002:map", list(data.items()))

    def represent_unknown(self, data: Any) -> Any:  # noqa: ANN401
        return self.represent_scalar("tag:yaml.org,2002:null", "NULL")


_Dumper.add_representer(Ordered, _Dumper.represent_in_order)
_Dumper.add_representer(OrderedDict, _Dumper.represent_in_order)
_Dumper.add_representer(tuple, _Dumper.represent_list)
_Dumper.add_representer(None, _Dumper.represent_unknown)  # type: ignore[arg-type]


class _FileDumper(_Dumper):
    """For files that states make of data: keys sorted, whatever kinds of mappings hold them.

    Texts, lists and mappings of kinds of our own are written as the plain ones that they stand for.
    """

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401
        return True  # what an SLS uses twice is written twice


_FileDumper.add_multi_representer(str, _Dumper.represent_str)
_FileDumper.add_multi_representer(list, _Dumper.represent_list)
_FileDumper.add_multi_representer(dict, _Dumper.represent_dict)
_FileDumper.add_multi_representer(int, _Dumper.represent_int)
_FileDumper.add_multi_representer(float, _Dumper.represent_float)
for _kind in (Ordered, OrderedDict):
    _FileDumper.add_representer(_kind, _Dumper.represent_dict)


def dump_file(data: Any, **options: Any) -> str:  # noqa: ANN401
    """Write data as the YAML of a file, as Salt's serializer does, with one newline at the end.

    `options` are those of PyYAML's `dump`. Raises `TypeError` for options that it doesn't have.
    """
    options.setdefault("default_flow_style", False)
    text: str = yaml.dump(data, Dumper=_FileDumper, **options)
    return text.removesuffix("\n").removesuffix("\n...") + "\n"


def dump(data: Any, *, flow: bool | None = None, **options: Any) -> str:  # noqa: ANN401
    """Write data as YAML; `flow` False: a value a line, True: braces, None: leaves in braces."""
    options.setdefault("allow_unicode", True)
    text: str = yaml.dump(data, Dumper=_Dumper, default_flow_style=flow, **options)
    return text


def double_quoted(text: object) -> str:
    """Write a text between double quotes, on one line."""
    return _emit(str(text), "write_double_quoted")


def single_quoted(text: object) -> str:
    """Write a text between single quotes, on one line."""
    return _emit(str(text), "write_single_quoted")


def scalar(value: Any) -> str:  # noqa: ANN401
    """Write one value so that YAML reads the same value again. Raises `TypeError` for more."""
    node: Any = yaml.representer.SafeRepresenter().represent_data(value)
    if not isinstance(node, yaml.ScalarNode):
        raise TypeError(f"yaml_encode takes a single value, not a {type(value).__name__}")
    text = str(node.value)
    return double_quoted(text) if node.tag.endswith(":str") else text


def _emit(text: str, method: str) -> str:
    stream = io.StringIO()
    emitter: Any = yaml.emitter.Emitter(stream, width=sys.maxsize)
    getattr(emitter, method)(text)
    return stream.getvalue()
