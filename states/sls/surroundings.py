"""What templates see of the world: the minion, its grains, pillar, options and functions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from limpet.states.sls.jinja.calls import Functions, NoFunctions


@dataclass(slots=True, kw_only=True)
class Surroundings:
    """Handed in by whoever renders; nothing in it is fetched by the templates themselves."""

    minion_id: str
    grains: Mapping[str, Any] = field(default_factory=dict)
    pillar: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    """Salt's `opts`: `id`, `test`, `saltenv`, `cachedir`, `file_roots`, …; formulas read it."""
    functions: Functions = field(default_factory=NoFunctions)
