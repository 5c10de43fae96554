"""`slsutil.*`: mappings merged and data written, as SLS files need it."""

import copy
from typing import Any

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext, Loose


def merge(
    context: FunctionContext,
    obj_a: Loose,
    obj_b: Loose,
    strategy: str = "smart",
    renderer: str = "yaml",
    merge_lists: bool = False,
) -> Loose:
    """Merge a mapping over another one; strategies are those of pillar.

    CLI Example: limpet run '*' slsutil.merge '{foo: Foo}' '{bar: Bar}'
    """
    from limpet.states.pillar.merging import merge as merged

    return merged(obj_a, obj_b, strategy, is_joining_lists=merge_lists)


def merge_all(
    context: FunctionContext,
    lst: list[Any],
    strategy: str = "smart",
    renderer: str = "yaml",
    merge_lists: bool = False,
) -> Loose:
    """Merge a list of mappings, the later ones winning.

    CLI Example: limpet run '*' slsutil.merge_all '[{foo: Foo}, {foo: Bar}]'
    """
    found: Any = {}
    for each in lst:
        found = merge(context, found, each, strategy, renderer, merge_lists)
    return found


def update(
    context: FunctionContext,
    dest: dict[str, Any],
    upd: dict[str, Any],
    recursive_update: bool = True,
    merge_lists: bool = False,
) -> dict[str, Any]:
    """Merge a mapping over another one, mappings in it recursively.

    CLI Example: limpet run '*' slsutil.update '{foo: Foo}' '{bar: Bar}'
    """
    from limpet.states.pillar.merging import update as updated

    if not recursive_update:
        return {**dest, **upd}
    return dict(updated(copy.deepcopy(dest), upd, is_joining_lists=merge_lists))


def serialize(context: FunctionContext, serializer: str, obj: Loose, **mod_kwargs: Loose) -> str:
    """Write data as text: json, yaml, python.

    CLI Example: limpet run '*' slsutil.serialize json obj='{foo: Foo!}'
    """
    from limpet.states.sls.jinja import serializing

    if serializer == "json":
        return str(serializing.to_json(obj, **mod_kwargs))
    if serializer == "yaml":
        return str(serializing.to_yaml(obj, **{"flow_style": False, **mod_kwargs}))
    if serializer == "python":
        return str(serializing.to_python(obj))
    raise UsageError(f"there is no serializer {serializer!r}; json, yaml and python are there")


def deserialize(
    context: FunctionContext, serializer: str, stream_or_string: Loose, **mod_kwargs: Loose
) -> Loose:
    """Read data from text: json, yaml.

    CLI Example: limpet run '*' slsutil.deserialize json '{"foo": "Foo!"}'
    """
    from limpet.states.sls.jinja import serializing

    if serializer == "json":
        return serializing.load_json(stream_or_string)
    if serializer == "yaml":
        return serializing.load_yaml(stream_or_string)
    raise UsageError(f"there is no serializer {serializer!r} that reads; json and yaml do")


def renderer(
    context: FunctionContext,
    path: str | None = None,
    string: str | None = None,
    default_renderer: str = "jinja|yaml",
    saltenv: str | None = None,
    **more: Loose,
) -> Loose:
    """Render a file or a text as an SLS is rendered, and give what comes of it.

    CLI Example: limpet run '*' slsutil.renderer salt://path/to/file
    """
    from limpet.states.runner.applying import Applying

    if (path is None) == (string is None):
        raise UsageError("Must pass either path or string")
    applying = Applying(context)
    environment = saltenv or "base"
    text = string
    if path is not None:
        content = applying.state_context().tree.read(path, environment)
        if content is None:
            raise HostError(f"{path} was not found in the environment {environment!r}")
        text = content.decode("utf-8", "replace")
    renderers = applying.compilation.renderers
    pipe = more.pop("renderer", None) or default_renderer
    place = path or "<string>"
    return renderers.text(str(text), environment, "", place, pipe=str(pipe), variables=more).data


def boolstr(context: FunctionContext, value: Loose, true: Loose, false: Loose) -> Loose:
    """Give one of two values.

    CLI Example: limpet run '*' slsutil.boolstr true yes no
    """
    return true if value else false


def file_exists(context: FunctionContext, path: str, saltenv: str = "base") -> bool:
    """Say whether the tree of states has a file.

    CLI Example: limpet run '*' slsutil.file_exists nginx/defaults.yaml
    """
    return path.strip("/") in context.call("cp.list_master", saltenv=saltenv)


def dir_exists(context: FunctionContext, path: str, saltenv: str = "base") -> bool:
    """Say whether the tree of states has a directory.

    CLI Example: limpet run '*' slsutil.dir_exists nginx/files
    """
    inside = path.strip("/") + "/"
    return any(each.startswith(inside) for each in context.call("cp.list_master", saltenv=saltenv))


def path_exists(context: FunctionContext, path: str, saltenv: str = "base") -> bool:
    """Say whether the tree of states has a file or a directory.

    CLI Example: limpet run '*' slsutil.path_exists nginx/files
    """
    return file_exists(context, path, saltenv) or dir_exists(context, path, saltenv)
