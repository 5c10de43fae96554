"""From the text of a file to its data, through the renderers that its first line names."""

from collections.abc import Callable, Mapping
from typing import Any

from limpet.states.fileroots.port import FileRoots, SourceFile
from limpet.states.sls import limits
from limpet.states.sls.errors import RenderError, code_frame
from limpet.states.sls.jinja.environment import Compiled
from limpet.states.sls.jinja.rendering import TemplateSettings
from limpet.states.sls.kept import Kept
from limpet.states.sls.places import sls_variables
from limpet.states.sls.renderers.call import Call, Means, Render
from limpet.states.sls.renderers.registry import DEFAULT, NAMES, find, names_in
from limpet.states.sls.surroundings import Surroundings
from limpet.states.sls.yaml_source import Document


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
        self._allowance = limits.Allowance(allowed)
        self._means = Means(
            roots=roots,
            surroundings=surroundings,
            compiled=compiled or (Compiled() if kept is None else kept.compiled),
            sls_settings=sls_settings or TemplateSettings(),
            file_settings=file_settings or TemplateSettings(),
            secret=secret,
            documents=None if kept is None else kept.documents,
            before_foreign=before_foreign,
        )

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
        call = Call(environment, sls, real_path, dict(variables or {}), text, self._means)
        # Before the limits begin: an import that is broken off could not be done again.
        renderers = self._pipe(text, pipe or self._default, real_path)
        found: Any = text
        try:
            with limits.rendering(real_path, self._allowance.now):
                for render in renderers:
                    found = render(found, call)
        except limits.LimitReached as error:
            self._used_up(error, real_path, text)
            raise
        return found if isinstance(found, Document) else Document(found)

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
        seen = self._means.variables(environment)
        if sls is not None:
            seen |= {"sls": sls, **sls_variables(real_path, sls)}
        seen.update(variables)
        try:
            with limits.rendering(real_path, self._allowance.now):
                return self._means.template(
                    text, environment, real_path, seen, is_of_sls=bool(seen.get("sls"))
                )
        except limits.LimitReached as error:
            self._used_up(error, real_path, text)
            raise

    def _pipe(self, text: str, default: str, real_path: str) -> list[Render]:
        """Give the renderers that the first line names. Raises `RenderError` for an unknown one."""
        names = names_in(text, default)
        for name in names:
            if name not in NAMES:
                raise RenderError(
                    f"the renderer '{name}' is not available; there are {', '.join(NAMES)}",
                    real_path,
                    1,
                    text,
                )
        return [self._renderer(name) for name in names]

    def _renderer(self, name: str) -> Render:
        """Give a renderer that there is; who wants another one in its place overrides this."""
        return find(name)

    def _used_up(self, error: limits.LimitReached, real_path: str, text: str) -> None:
        """Note that a file has reached the limits; show the line where it did."""
        self._allowance.is_used_up = True
        if error.path == real_path and error.line is not None:
            error.frame = code_frame(text, error.line)
