"""Renderers in a row: `#!jinja|yaml` and its like, from the text of a file to its data."""

import json
import os
import tomllib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from limpet.common.errors import LimpetError
from limpet.states.fileroots.port import FileRoots, SourceFile
from limpet.states.sls import limits
from limpet.states.sls.errors import RenderError, code_frame
from limpet.states.sls.jinja.calls import SaltFunctions
from limpet.states.sls.jinja.environment import Compiled
from limpet.states.sls.jinja.rendering import TemplateSettings, render
from limpet.states.sls.kept import Documents, Kept
from limpet.states.sls.places import sls_variables
from limpet.states.sls.surroundings import Surroundings
from limpet.states.sls.yaml_source import Document, Ordered, load

DEFAULT: Final = "jinja|yaml"
_SHEBANG: Final = "#!"
_OLD_NAMES: Final = {"yaml_jinja": "jinja|yaml", "json_jinja": "jinja|json"}


def _nobody(what: str) -> None:
    """Stand where nobody wants to know of foreign code."""


class Renderers:
    """Renders the files of one set of roots for one minion. Not shared between threads."""

    def __init__(
        self,
        roots: FileRoots,
        surroundings: Surroundings,
        *,
        default: str = DEFAULT,
        sls_settings: TemplateSettings | None = None,
        file_settings: TemplateSettings | None = None,
        allowed: limits.Limits = limits.DEFAULT,
        compiled: Compiled | None = None,
        secret: type[str] | None = None,
        kept: Kept | None = None,
        before_foreign: Callable[[str], None] = _nobody,
    ) -> None:
        """Take the roots; each file may take what is `allowed` of time and memory (`limits`).

        `secret` is what values with the YAML tag `!secret` become, in files of pillar. `kept` is
        shared with other renderings that read YAML alike. `before_foreign` is told before code
        runs that can do anything to this process (`#!py`); what it raises passes through.
        """
        self.roots = roots
        self.surroundings = surroundings
        self._default = default
        self._sls_settings = sls_settings or TemplateSettings()
        self._file_settings = file_settings or TemplateSettings()
        self._compiled = compiled or (Compiled() if kept is None else kept.compiled)
        self._before_foreign = before_foreign
        self._allowance = limits.Allowance(allowed)
        self._renderers: dict[str, Callable[[Any, _Call], Any]] = {
            "jinja": self._jinja,
            "json": _json,
            "py": self._py,
            "text": lambda text, _call: text,
            "toml": _toml,
            "yaml": partial(
                _yaml, secret=secret, documents=None if kept is None else kept.documents
            ),
        }

    def source(
        self,
        file: SourceFile,
        environment: str,
        sls: str = "",
        variables: Mapping[str, Any] | None = None,
    ) -> Document:
        """Render an SLS or a top file as its first line says, else as the configuration says.

        A file with nothing in it has the data {}. Raises `RenderError`.
        """
        try:
            text = file.content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = file.content.count(b"\n", 0, error.start) + 1
            raise RenderError(
                f"the file is not UTF-8 (byte {error.object[error.start]:#04x})",
                file.real_path,
                line,
            ) from error
        if not text.strip():
            return Document({})
        return self.text(text, environment, sls, file.real_path, variables=variables)

    def text(
        self,
        text: str,
        environment: str,
        sls: str,
        real_path: str,
        *,
        pipe: str | None = None,
        variables: Mapping[str, Any] | None = None,
    ) -> Document:
        """Render a text; `pipe` is used where its first line names no renderers."""
        call = _Call(environment, sls, real_path, dict(variables or {}), text)
        found: Any = text
        try:
            with limits.rendering(real_path, self._allowance.now):
                for name in self._pipe(text, pipe or self._default, real_path):
                    found = self._renderers[name](found, call)
        except limits.LimitReached as error:
            self._used_up(error, real_path, text)
            raise
        return found if isinstance(found, Document) else Document(found)

    def _used_up(self, error: limits.LimitReached, real_path: str, text: str) -> None:
        """Note that a file has reached the limits; show the line where it did."""
        self._allowance.is_used_up = True
        if error.path == real_path and error.line is not None:
            error.frame = code_frame(text, error.line)

    def template(
        self,
        text: str,
        environment: str,
        real_path: str,
        variables: Mapping[str, Any],
        *,
        sls: str | None = None,
    ) -> str:
        """Render the template of a managed file; `variables` come on top of Salt's own.

        With `sls` it sees where that SLS is, as templates of states do. Raises `RenderError`.
        """
        seen = self._variables(environment)
        if sls is not None:
            seen |= {"sls": sls, **sls_variables(real_path, sls)}
        seen.update(variables)
        settings = self._sls_settings if seen.get("sls") else self._file_settings
        try:
            with limits.rendering(real_path, self._allowance.now):
                return self._render(text, environment, real_path, seen, settings)
        except limits.LimitReached as error:
            self._used_up(error, real_path, text)
            raise

    def _variables(self, environment: str) -> dict[str, Any]:
        around = self.surroundings
        return {
            "salt": SaltFunctions(around.functions),
            "grains": around.grains,
            "pillar": around.pillar,
            "opts": around.options,
            "saltenv": environment,
        }

    def _render(
        self,
        text: str,
        environment: str,
        real_path: str,
        variables: Mapping[str, Any],
        settings: TemplateSettings,
    ) -> str:
        return render(
            text,
            real_path,
            variables,
            roots=self.roots,
            environment=environment,
            functions=self.surroundings.functions,
            compiled=self._compiled,
            settings=settings,
        )

    def _pipe(self, text: str, default: str, real_path: str) -> list[str]:
        """Give the renderers that the first line names. Raises `RenderError` for an unknown one."""
        line = text.split("\n", 1)[0].strip()
        is_named = line.startswith(_SHEBANG) and not line.startswith("#!/")
        pipe = line.removeprefix(_SHEBANG) if is_named else default
        pipe = _OLD_NAMES.get(pipe.strip(), pipe)
        names = [(part.split() or [""])[0] for part in pipe.split("|")]
        for name in names:
            if name not in self._renderers:
                raise RenderError(
                    f"the renderer '{name}' is not available; there are "
                    f"{', '.join(sorted(self._renderers))}",
                    real_path,
                    1,
                    text,
                )
        return names

    def _jinja(self, text: Any, call: "_Call") -> str:  # noqa: ANN401
        variables = self._variables(call.environment)
        variables |= {
            "env": call.environment,
            "sls": call.sls,
            **sls_variables(call.real_path, call.sls),
        }
        variables.update(call.variables)
        settings = self._sls_settings if call.sls else self._file_settings
        return self._render(str(text), call.environment, call.real_path, variables, settings)

    def _py(self, text: Any, call: "_Call") -> Any:  # noqa: ANN401
        """Run a file of Python and give what its function `run` gives."""
        self._before_foreign(call.real_path)
        seen = self._variables(call.environment)
        names: dict[str, Any] = {
            **seen,
            "__salt__": seen["salt"],
            "__grains__": seen["grains"],
            "__pillar__": seen["pillar"],
            "__opts__": seen["opts"],
            "__env__": call.environment,
            "__sls__": call.sls,
            "sls": call.sls,
            **sls_variables(call.real_path, call.sls),
            **call.variables,
            "__name__": "limpet_py_renderer",
            "__file__": call.real_path,
        }
        process = os.getpid()
        try:
            # SLS are the administrator's own code; `#!py` says so in so many words.
            exec(compile(str(text), call.real_path, "exec"), names)  # noqa: S102
            run = names.get("run")
            if not callable(run):
                raise RenderError("a `#!py` file defines a function `run()`", call.real_path)
            return run()
        except (LimpetError, limits.TimeIsUp, MemoryError, KeyboardInterrupt):
            raise
        except BaseException as error:  # SystemExit too ends the file, not the process
            line = _line_in(error, call.real_path)
            raise RenderError(
                f"{type(error).__name__}: {error}", call.real_path, line, call.text
            ) from error
        finally:
            if os.getpid() != process:
                os._exit(1)  # the file has forked: only one of the two may go on with the job


class _Call:
    """One file on its way through its renderers."""

    __slots__ = ("environment", "real_path", "sls", "text", "variables")

    def __init__(
        self, environment: str, sls: str, real_path: str, variables: dict[str, Any], text: str
    ) -> None:
        self.environment = environment
        self.sls = sls
        self.real_path = real_path
        self.variables = variables
        self.text = text


def _line_in(error: BaseException, real_path: str) -> int | None:
    if isinstance(error, SyntaxError):
        return error.lineno
    line = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == real_path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _yaml(
    text: Any,  # noqa: ANN401
    call: _Call,
    secret: type[str] | None = None,
    documents: Documents | None = None,
) -> Document:
    def read() -> Document:
        return load(str(text), call.real_path, secret=secret)

    document = read() if documents is None else documents.read(str(text), call.real_path, read)
    return document if document.data else Document({}, document.lines)


def _json(text: Any, call: _Call) -> Any:  # noqa: ANN401
    body = str(text)
    if body.startswith(_SHEBANG):
        body = body.partition("\n")[2]
    if not body.strip():
        return {}
    try:
        return json.loads(body, object_pairs_hook=Ordered)
    except ValueError as error:
        line = getattr(error, "lineno", None)
        if line is not None and body is not text:
            line += 1
        raise RenderError(str(error), call.real_path, line, str(text)) from error
    except RecursionError as error:
        raise RenderError("JSON that is nested too deeply", call.real_path) from error


def _toml(text: Any, call: _Call) -> Any:  # noqa: ANN401
    try:
        return tomllib.loads(str(text))
    except tomllib.TOMLDecodeError as error:
        raise RenderError(str(error), call.real_path) from error
