"""What a source of external pillar is handed, and what it gives."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from limpet.states.ports.machine import Host


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """For whom data is wanted, and with what help."""

    minion_id: str
    """Letters, digits, dots, hyphens and underscores: it may stand in paths and commands."""
    pillar: Mapping[str, Any]
    """What has been gathered so far."""
    grains: Mapping[str, Any]
    options: Mapping[str, Any]
    """Salt's `opts`."""
    host: Host
    """The machine that renders pillar."""
    nodegroups: Callable[[], Sequence[str]] = field(default=list)
    """Gives the names of the node groups that the minion is in."""
    render: Callable[[str, str, str], Any]
    """(text, renderers such as `jinja|yaml`, path for messages) -> what it renders to."""


class Source(Protocol):
    """The function `ext_pillar` of a module here, or what an entry point names."""

    def __call__(self, asked: Asked, *arguments: Any, **named: Any) -> Mapping[str, Any]:  # noqa: ANN401
        """Give data to be merged into pillar. Raises `HostError` or `SourceError`."""
        ...
