"""Rendering one template, and telling what is wrong with it in Salt's words, with its place."""

import difflib
import re
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import jinja2

from limpet.common.errors import LimpetError, SourceError
from limpet.states.fileroots.port import FileRoots
from limpet.states.sls import limits
from limpet.states.sls.errors import RenderError, code_frame
from limpet.states.sls.jinja.calls import Functions
from limpet.states.sls.jinja.environment import (
    Compiled,
    Loader,
    header_options,
    make_environment,
)

OUTPUT_CHARACTERS_MAX: Final = 4 * 1024 * 1024
_NO_FUNCTION: Final = re.compile(r"'salt' has no attribute '(\w+\.\w+)'")
_CALLS_CLASS: Final = re.compile(r"'limpet\.states\.sls\.jinja\.calls\.Salt\w+ object'")


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateSettings:
    """What the configuration says about templates."""

    options: Mapping[str, Any] = field(default_factory=dict)
    """Jinja's own, by its names: `trim_blocks`, `lstrip_blocks`, …"""
    allow_undefined: bool = False
    """Print an undefined value as nothing instead of failing."""


def render(
    text: str,
    real_path: str,
    variables: Mapping[str, Any],
    *,
    roots: FileRoots,
    environment: str,
    functions: Functions,
    compiled: Compiled,
    settings: TemplateSettings,
) -> str:
    """Render a template; `variables` are seen by what it imports too.

    A final line end stays. Raises `RenderError` with the place of what went wrong.
    """
    body, header = header_options(text)
    loader = Loader(roots, environment, compiled, functions)
    jinja = make_environment(
        loader,
        functions,
        variables,
        {**settings.options, **header},
        allow_undefined=settings.allow_undefined,
    )
    jinja.salt_folder = str(variables.get("tpldir", "."))
    name = variables.get("tplfile")
    try:
        code = compiled.code(jinja, body, name if isinstance(name, str) else None, real_path)
        template = jinja.template_class.from_code(jinja, code, jinja.make_globals(None), None)
        rendered = template.render(**variables)
    except RenderError:
        raise
    except MemoryError:
        limits.lift_memory()
        raise
    except Exception as error:
        raise _told(error, real_path, body, loader) from error
    if len(rendered) > OUTPUT_CHARACTERS_MAX:
        raise RenderError(
            f"the template made {len(rendered)} characters; {OUTPUT_CHARACTERS_MAX} are allowed",
            real_path,
        )
    ends_line = "\r\n" if body.endswith("\r\n") else "\n" if body.endswith("\n") else ""
    return rendered + ends_line


def _told(error: Exception, real_path: str, text: str, loader: Loader) -> RenderError:
    """Make the error that names the innermost place in a template."""
    kind = _kind(error)
    words = _words(error, loader.functions)
    place = _place(error, real_path, loader)
    if place is None:
        return RenderError(f"{kind}{words}", real_path)
    path, line = place
    if path == real_path:
        return RenderError(f"{kind}{words}", real_path, line, text)
    frame = code_frame(loader.texts[path], line)
    found = RenderError(f"{kind}{words}\n{path}({line}):\n{frame}", path, line)
    return _WithinImport(found)


class _WithinImport(RenderError):
    """An error in an imported template: the problem already shows file, line and frame."""

    def __init__(self, inner: RenderError) -> None:
        super().__init__(inner.problem, inner.path, inner.line)

    @property
    def told(self) -> str:
        """The problem, which has its own place and frame."""
        return self.problem


def _kind(error: Exception) -> str:
    """Say of what kind an error is, as Salt begins its messages."""
    if isinstance(error, LimpetError) and not isinstance(error, SourceError):
        return "Problem running salt function in Jinja template: "
    if isinstance(error, jinja2.UndefinedError):
        return "Jinja variable "
    if isinstance(error, jinja2.TemplateError) and not isinstance(error, jinja2.TemplateNotFound):
        return "Jinja syntax error: "
    return "Jinja error: "


def _words(error: Exception, functions: Functions) -> str:
    """Say what is wrong, without naming our own classes; with a hint at a function's name."""
    if isinstance(error, jinja2.TemplateSyntaxError):
        text = str(error.message)
    elif isinstance(error, jinja2.TemplateNotFound):
        text = str(error.message or error.name)
    elif isinstance(error, KeyError):
        text = f"KeyError: {error}"
    else:
        text = str(error) or type(error).__name__
    text = _CALLS_CLASS.sub("'salt'", text)
    wanted = _NO_FUNCTION.fullmatch(text)
    if wanted is not None:
        near = difflib.get_close_matches(wanted.group(1), functions.names(), n=1)
        if near:
            return f"{text}; did you mean '{near[0]}'?"
    return text


def _place(error: Exception, real_path: str, loader: Loader) -> tuple[str, int] | None:
    """Give the file and line of the innermost template that the error passed through."""
    if isinstance(error, jinja2.TemplateSyntaxError):
        path = error.filename if error.filename in loader.texts else real_path
        return str(path), error.lineno
    found: tuple[str, int] | None = None
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.lineno and (frame.filename == real_path or frame.filename in loader.texts):
            found = (frame.filename, frame.lineno)
    return found
