"""Where a script's text comes from, and templates in a command line."""

from typing import Any

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext

_SOURCE_BYTES_MAX = 16 * 1024 * 1024


def read(
    context: FunctionContext, source: str, saltenv: str | None, template: str | None
) -> bytes | None:
    """Give the content of a source, None if there is no such file.

    Raises `UsageError` for a kind of source that is not known, `HostError` if it can't be rendered.
    """
    path = _local_path(source)
    if path:
        text = context.host.files.read_text(path, bytes_max=_SOURCE_BYTES_MAX)
        if text is None:
            return None
    else:
        from limpet.states.functions.cp.tree import content_path  # it loads the compiler

        found = content_path(context, source, saltenv)
        if found is None:
            return None
        content = context.host.file_system.read(found, bytes_max=_SOURCE_BYTES_MAX)
        text = content.decode("utf-8", "surrogateescape")
    if template:
        text = render(context, text, template)
    return text.encode("utf-8", "surrogateescape")


def render(context: FunctionContext, text: str, engine: str) -> str:
    """Render a template with `salt`, `grains`, `pillar` and `opts`. Raises `HostError`."""
    if engine != "jinja":
        raise UsageError(f"there is no template engine {engine!r}; jinja is there")
    from jinja2 import Environment, StrictUndefined, TemplateError

    environment = Environment(  # noqa: S701 — commands and scripts, not HTML
        undefined=StrictUndefined, keep_trailing_newline=True, extensions=["jinja2.ext.do"]
    )
    try:
        return environment.from_string(text).render(
            salt=_Functions(context),
            grains=context.grains,
            pillar=context.pillar,
            opts=context.configuration,
            saltenv="base",
        )
    except TemplateError as error:
        raise HostError(f"Failed to execute cmd with error: {error}") from error


class _Functions:
    """Execution functions as templates call them: `salt['cmd.run']('id')`."""

    def __init__(self, context: FunctionContext) -> None:
        self._context = context

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401
        def call(*positional: Any, **keyword: Any) -> Any:  # noqa: ANN401
            return self._context.call(name, *positional, **keyword)

        return call


def _local_path(source: str) -> str:
    """Give the path of a file of this machine; empty: it is brought from elsewhere."""
    kind, separator, rest = source.partition("://")
    if not separator:
        if not source.startswith("/"):
            raise UsageError(f"the source {source!r} is no absolute path, file:// or salt://")
        return source
    if kind == "file":
        return rest
    if kind not in ("salt", "http", "https", "ftp"):
        raise HostError(f"{source}: files come from salt://, file://, http(s):// or ftp://")
    return ""
