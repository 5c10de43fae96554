"""`jinja.*`: what a template defines, or data that it renders to, for a look from outside."""

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions import slsutil


def load_map(context: FunctionContext, path: str, value: str) -> Loose:
    """Give a variable that a template of the tree sets (`map.jinja` and its kin).

    CLI Example: limpet run '*' jinja.load_map template/map.jinja mapdata
    """
    if not value.isidentifier():
        raise UsageError(f"jinja.load_map: {value!r} is no name of a variable")
    text = f"{{% from {_quoted(path)} import {value} with context %}}{{{{ {value} | json }}}}"
    return _data(context, text)


def import_yaml(context: FunctionContext, path: str) -> Loose:
    """Give the data of a YAML file of the tree, rendered as a template first.

    CLI Example: limpet run '*' jinja.import_yaml template/defaults.yaml
    """
    return _data(context, f"{{% import_yaml {_quoted(path)} as found %}}{{{{ found | json }}}}")


def import_json(context: FunctionContext, path: str) -> Loose:
    """Give the data of a JSON file of the tree, rendered as a template first.

    CLI Example: limpet run '*' jinja.import_json template/defaults.json
    """
    return _data(context, f"{{% import_json {_quoted(path)} as found %}}{{{{ found | json }}}}")


def _data(context: FunctionContext, text: str) -> Loose:
    rendered = slsutil.renderer(context, string=text, default_renderer="jinja")
    return slsutil.deserialize(context, "json", str(rendered).strip())


def _quoted(path: str) -> str:
    bare = path.removeprefix("salt://")
    if '"' in bare or "\\" in bare or "\n" in bare:
        raise HostError(f"jinja: {path!r} is no path of the tree")
    return f'"{bare}"'
