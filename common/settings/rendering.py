"""Salt's keys that change how states and pillar render; they stand in both files, by their names.

On the master they rule pillar; on a minion states, and pillar where it is rendered there.
"""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Final, Literal

from msgspec import Meta, field

from limpet.common.settings.loader import Configuration
from limpet.common.settings.source import Path as Way

LISTS: Final = ("disabled_requisites", "env_order", "ext_pillar", "pillar_secret_keys")

Merging = Literal["smart", "recurse", "aggregate", "overwrite", "list", "none"]
Name = Annotated[str, Meta(min_length=1, max_length=200)]


class RenderingConfiguration(Configuration, frozen=True, kw_only=True):
    """Keys that both sides have. All have Salt's defaults."""

    LISTS: ClassVar[tuple[str, ...]] = LISTS

    renderer: Name = "jinja|yaml"
    """Renderers of files that name none in their first line."""
    state_top: Name = "top.sls"
    """The name of top files, of pillar's too."""
    state_top_saltenv: Name | None = None
    state_auto_order: bool = True
    disabled_requisites: tuple[str, ...] = ()
    render_timeout: Annotated[float, Meta(gt=0, le=3600)] = 6.0
    """Seconds that rendering one file may take."""
    render_memory_max: Annotated[int, Meta(ge=16 << 20, le=1 << 40)] = 400 << 20
    """Bytes of memory that rendering one file may take above what there was."""
    failhard: bool = False
    """A run ends with its first failed state."""
    state_max_parallel: Annotated[int, Meta(ge=0, le=1000)] = 0
    """States with `parallel: True` at the same time; 0: as many as there are."""
    autoload_dynamic_modules: bool = True
    """Runs of states bring the modules of `_modules` and its like to the minion first."""
    top_file_merging_strategy: Literal["merge", "same", "merge_all"] = "merge"
    env_order: tuple[str, ...] = ()
    default_top: Name = "base"
    pillarenv_from_saltenv: bool = False
    pillar_source_merging_strategy: Merging = "smart"
    pillar_merge_lists: bool = False
    pillar_includes_override_sls: bool = False
    pillar_safe_render_error: bool = True
    """Keep the text of a file that does not render out of what minions are told."""
    ext_pillar: tuple[dict[str, Any], ...] = ()
    """Sources of pillar besides files, each a mapping of its name to what it is told."""
    ext_pillar_first: bool = False
    """Files see external pillar and are laid over it, instead of the other way round."""
    pillar_secret_keys: tuple[Name, ...] = ()
    """Names or globs of keys, or paths such as `a:b`; values below them are never shown."""
    jinja_env: dict[str, Any] = field(default_factory=dict)
    """Jinja's options for templates of files."""
    jinja_sls_env: dict[str, Any] = field(default_factory=dict)
    """Jinja's options for SLS and pillar files."""
    jinja_trim_blocks: bool = False
    jinja_lstrip_blocks: bool = False

    def rendering_faults(self) -> Iterator[tuple[Way, str]]:
        """Say what the types can't."""
        for index, entry in enumerate(self.ext_pillar):
            if len(entry) != 1:
                yield ("ext_pillar", index), "one source is expected, as in `cmd_yaml: COMMAND`"
