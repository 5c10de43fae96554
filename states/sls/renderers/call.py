"""What a renderer is handed: a text, or data, and of which file it is and for whom."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from limpet.states.fileroots.port import FileRoots
from limpet.states.sls.jinja.calls import SaltFunctions
from limpet.states.sls.jinja.environment import Compiled
from limpet.states.sls.jinja.rendering import TemplateSettings, render
from limpet.states.sls.kept import Documents
from limpet.states.sls.surroundings import Surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What all files of one `Renderers` are rendered with."""

    roots: FileRoots
    surroundings: Surroundings
    compiled: Compiled
    sls_settings: TemplateSettings
    file_settings: TemplateSettings
    secret: type[str] | None
    """What values with the YAML tag `!secret` become, in files of pillar."""
    documents: Documents | None
    """What texts of YAML have left that other renderings may use again."""
    before_foreign: Callable[[str], None]
    """Told the file before its code runs that can do anything to this process."""

    def variables(self, environment: str) -> dict[str, Any]:
        """Give what every template sees."""
        around = self.surroundings
        return {
            "salt": SaltFunctions(around.functions),
            "grains": around.grains,
            "pillar": around.pillar,
            "opts": around.options,
            "saltenv": environment,
        }

    def template(
        self,
        text: str,
        environment: str,
        real_path: str,
        variables: Mapping[str, Any],
        *,
        is_of_sls: bool,
    ) -> str:
        """Render a template of Jinja. Raises `RenderError`."""
        return render(
            text,
            real_path,
            variables,
            roots=self.roots,
            environment=environment,
            functions=self.surroundings.functions,
            compiled=self.compiled,
            settings=self.sls_settings if is_of_sls else self.file_settings,
        )


@dataclass(frozen=True, slots=True)
class Call:
    """One file on its way through its renderers."""

    environment: str
    sls: str
    """Empty: it is none."""
    real_path: str
    variables: Mapping[str, Any]
    """What the file sees on top of what all see."""
    text: str
    """All of the file, as it was before its first renderer."""
    means: Means


class Render(Protocol):
    """The function `render` of each renderer's file."""

    def __call__(self, found: Any, call: Call, /) -> Any:  # noqa: ANN401
        """Give what becomes of what the renderer before it has found; at first of the text.

        The last one gives data, or a `Document`, which knows its lines. Raises `RenderError` with
        the place of what is wrong.
        """
        ...
