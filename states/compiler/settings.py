"""What the configuration says about compiling, read from a mapping with Salt's keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from limpet.states.compiler.top import TopSettings
from limpet.states.pillar.compile import PillarSettings
from limpet.states.pillar.secrets import SecretKeys
from limpet.states.sls.jinja.rendering import TemplateSettings
from limpet.states.sls.limits import DEFAULT as DEFAULT_LIMITS
from limpet.states.sls.limits import Limits
from limpet.states.sls.renderers import DEFAULT

LANGUAGE_KEYS: Final = (
    "renderer", "failhard", "state_top", "state_top_saltenv", "state_auto_order", "nodegroups",
    "default_top", "env_order", "top_file_merging_strategy", "disabled_requisites",
    "jinja_env", "jinja_sls_env", "jinja_trim_blocks", "jinja_lstrip_blocks",
)  # fmt: skip
"""Keys of the master's that hold for the states of its minions too, as in Salt: a tree renders
alike on all of them."""


def language_of(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a master tells its minions of how states render."""
    return {key: configuration[key] for key in LANGUAGE_KEYS if key in configuration}


@dataclass(frozen=True, slots=True, kw_only=True)
class CompilerSettings:
    """The settings of one minion; all have Salt's defaults."""

    renderer: str = DEFAULT
    auto_order: bool = True
    disabled_requisites: frozenset[str] = frozenset()
    nodegroups: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    pillarenv_from_saltenv: bool = False
    top: TopSettings = field(default_factory=TopSettings)
    pillar: PillarSettings = field(default_factory=PillarSettings)
    sls_templates: TemplateSettings = field(default_factory=TemplateSettings)
    file_templates: TemplateSettings = field(default_factory=TemplateSettings)
    limits: Limits = DEFAULT_LIMITS
    """What rendering one file may take: `render_timeout` in seconds, `render_memory_max`."""

    @classmethod
    def of(cls, configuration: Mapping[str, Any]) -> "CompilerSettings":
        """Read the settings from configuration; keys under `custom` count as if they stood outside.

        Values of a wrong kind are as if they were not there.
        """
        values = {**configuration, **(configuration.get("custom") or {})}
        top = TopSettings(
            state_top=str(values.get("state_top") or "top.sls"),
            state_top_saltenv=_text(values.get("state_top_saltenv")),
            strategy=str(values.get("top_file_merging_strategy") or "merge"),
            env_order=tuple(map(str, _listed(values.get("env_order")))),
            default_top=str(values.get("default_top") or "base"),
        )
        return cls(
            renderer=str(values.get("renderer") or DEFAULT),
            auto_order=bool(values.get("state_auto_order", True)),
            disabled_requisites=frozenset(map(str, _listed(values.get("disabled_requisites")))),
            nodegroups=_mapping(values.get("nodegroups")),
            pillarenv_from_saltenv=bool(values.get("pillarenv_from_saltenv")),
            top=top,
            pillar=PillarSettings(
                source_merging_strategy=str(
                    values.get("pillar_source_merging_strategy") or "smart"
                ),
                merge_lists=bool(values.get("pillar_merge_lists")),
                includes_override_sls=bool(values.get("pillar_includes_override_sls")),
                safe_render_error=bool(values.get("pillar_safe_render_error", True)),
                top=TopSettings(state_top=top.state_top, env_order=top.env_order),
                external=_listed(values.get("ext_pillar")),
                is_external_first=bool(values.get("ext_pillar_first")),
                secret_keys=SecretKeys(tuple(map(str, _listed(values.get("pillar_secret_keys"))))),
            ),
            sls_templates=_templates(values, "jinja_sls_env"),
            file_templates=_templates(values, "jinja_env"),
            limits=_limits(values),
        )


def _limits(values: Mapping[str, Any]) -> Limits:
    return Limits(
        float(_number(values.get("render_timeout"), DEFAULT_LIMITS.seconds)),
        int(_number(values.get("render_memory_max"), DEFAULT_LIMITS.memory_bytes)),
    )


def _number(value: Any, default: float) -> float:  # noqa: ANN401
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and value > 0 else default


def _templates(values: Mapping[str, Any], key: str) -> TemplateSettings:
    options = {str(name).lower(): value for name, value in _mapping(values.get(key)).items()}
    for name in ("trim_blocks", "lstrip_blocks"):
        if values.get(f"jinja_{name}"):
            options[name] = True
    return TemplateSettings(
        options=options, allow_undefined=bool(values.get("allow_undefined", False))
    )


def _mapping(value: Any) -> Mapping[str, Any]:  # noqa: ANN401
    return value if isinstance(value, Mapping) else {}


def _listed(value: Any) -> Sequence[Any]:  # noqa: ANN401
    if isinstance(value, list | tuple):
        return value
    return [value] if isinstance(value, str) and value else []


def _text(value: Any) -> str | None:  # noqa: ANN401
    return str(value) if value else None
