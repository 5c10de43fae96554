"""For whom is compiled, what renders for them, and their pillar, which comes before states."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from limpet.states.compiler.matching import Matching
from limpet.states.compiler.ordering import WATCHING
from limpet.states.compiler.settings import CompilerSettings
from limpet.states.fileroots.port import FileRoots
from limpet.states.pillar.compile import Pillar, compile_pillar
from limpet.states.pillar.external.registry import External
from limpet.states.pillar.external.source import Asked
from limpet.states.pillar.merging import merge
from limpet.states.pillar.secrets import Secret
from limpet.states.ports.machine import Host
from limpet.states.sls.jinja.calls import Functions
from limpet.states.sls.kept import Kept
from limpet.states.sls.renderers import Renderers
from limpet.states.sls.surroundings import Surroundings


@dataclass(slots=True, kw_only=True)
class Minion:
    """For whom is compiled, and out of what."""

    minion_id: str
    grains: Mapping[str, Any]
    file_roots: FileRoots
    pillar_roots: FileRoots
    functions: Callable[[Mapping[str, Any]], Functions]
    """Gives the functions that see a pillar; asked for pillar's own templates, then for SLS."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Salt's `opts`, for templates."""
    settings: CompilerSettings = field(default_factory=CompilerSettings)
    can_watch: Callable[[str], bool] = lambda module: module in WATCHING
    """Whether a state module reacts to changes in what it watches."""
    host: Host | None = None
    """Where commands of external pillar run; None: there is no external pillar."""
    on_pillar_file: Callable[[str], None] | None = None
    """Told the path of each pillar file before it is rendered."""
    kept: Kept | None = None
    """What pillar files of other minions have left that is the same for all."""
    before_foreign: Callable[[str], None] = lambda _what: None
    """Told before a pillar file, or a source of external pillar, does anything to this process."""


@dataclass(frozen=True, slots=True)
class Environments:
    """Those that a compilation is for; None: all that there are."""

    saltenv: str | None = None
    pillarenv: str | None = None


def renderers_for(
    minion: Minion,
    pillar: Mapping[str, Any],
    roots: FileRoots,
    environments: Environments,
    *,
    secret: type[str] | None = None,
    kind: type[Renderers] = Renderers,
) -> Renderers:
    """Give what renders the files of these roots, with that pillar."""
    return kind(
        roots,
        Surroundings(
            minion_id=minion.minion_id,
            grains=minion.grains,
            pillar=pillar,
            options={
                **minion.options,
                "saltenv": environments.saltenv,
                "pillarenv": environments.pillarenv,
                "pillar": pillar,
            },
            functions=minion.functions(pillar),
        ),
        default=minion.settings.renderer,
        sls_settings=minion.settings.sls_templates,
        file_settings=minion.settings.file_templates,
        allowed=minion.settings.limits,
        secret=secret,
        kept=minion.kept if roots is minion.pillar_roots else None,
        before_foreign=minion.before_foreign,
    )


def pillar_of(
    minion: Minion,
    environments: Environments,
    *,
    override: Mapping[str, Any] | None = None,
    seed: Mapping[str, Any] | None = None,
) -> Pillar:
    """Compile the minion's pillar; `override` and `seed` are as in `compile_pillar`."""
    settings, before = minion.settings, seed or {}
    external = _external(minion, environments, before)
    begin: dict[str, Any] | None = None
    if external is not None and settings.pillar.is_external_first:
        begin = external.extend(dict(override or {}))
    seen = before if begin is None else {**before, **begin}
    pillar = compile_pillar(
        minion.pillar_roots,
        renderers_for(minion, seen, minion.pillar_roots, environments, secret=Secret),
        Matching(minion.minion_id, minion.grains, seen, settings.nodegroups),
        settings.pillar,
        pillarenv=environments.pillarenv,
        saltenv=environments.saltenv,
        override=override,
        seed=seed,
        begin=begin,
        external=external if begin is None else None,
        on_file=minion.on_pillar_file,
    )
    if external is not None and begin is not None:
        pillar.errors += external.errors
    return pillar


def _external(
    minion: Minion, environments: Environments, seed: Mapping[str, Any]
) -> External | None:
    """Give the sources of external pillar, where there are any."""
    host, settings = minion.host, minion.settings
    if host is None or not settings.pillar.external:
        return None
    matching = Matching(minion.minion_id, minion.grains, seed, settings.nodegroups)

    def nodegroups() -> list[str]:
        return [each for each in settings.nodegroups if matching.matches(each, "nodegroup")]

    def asked(pillar: Mapping[str, Any]) -> Asked:
        renderers = renderers_for(minion, pillar, minion.pillar_roots, environments, secret=Secret)
        return Asked(
            minion_id=minion.minion_id,
            pillar=pillar,
            grains=minion.grains,
            options=renderers.surroundings.options,
            host=host,
            nodegroups=nodegroups,
            render=lambda text, pipe, path: renderers.text(text, "base", "", path, pipe=pipe).data,
        )

    def merged(under: Any, over: Any) -> Any:  # noqa: ANN401
        strategy = settings.pillar.source_merging_strategy
        return merge(under, over, strategy, is_joining_lists=settings.pillar.merge_lists)

    return External(settings.pillar.external, asked, merged, minion.before_foreign)
