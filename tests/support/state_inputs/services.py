"""Inputs of the `service` states: units of a made-up systemd, in every way that they can be."""

import copy
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from support.fakes.systemd import FakeSystemd, Unit
from support.hosts.rooted import contained
from support.states.state_bench import StateBench
from support.states.state_laws import Arguments, Inputs, Sandbox, World, among, having

UNITS = {
    "dead": Unit(),
    "up": Unit("active", "enabled"),
    "updis": Unit("active", "disabled"),
    "en": Unit("inactive", "enabled"),
    "static": Unit("inactive", "static"),
    "masked": Unit("inactive", "masked"),
    "now": Unit("inactive", "masked-runtime"),
    "broken": Unit(refuses=("start",)),
    "stubborn": Unit("active", "enabled", ignores=("stop",)),
    "changed": Unit("inactive", "disabled", needs_reload=True),
}
NAMES = among(*UNITS, "absent")
YES_OR_NO = (True, False)


def world(place: Path) -> World:
    """Give a machine with these units."""
    systemd = FakeSystemd({f"{name}.service": copy.copy(unit) for name, unit in UNITS.items()})

    def looks() -> Any:  # noqa: ANN401
        return {name: (unit.active, unit.boot) for name, unit in systemd.units.items()}

    return Sandbox(StateBench(place, host=contained(systemd.host(), place)), looks)


def of(arguments: st.SearchStrategy[Arguments], **changing: Any) -> Inputs:  # noqa: ANN401
    return Inputs(
        world=world,
        arguments=arguments,
        changing=changing,
        examples=40,
        is_announced_in_changes=False,
    )


INPUTS: dict[str, Inputs] = {
    "service.running": of(
        having({"name": NAMES}, enable=YES_OR_NO, unmask=YES_OR_NO, reload=YES_OR_NO), name="dead"
    ),
    # Of a service that is not there test mode says that it would be stopped, as in Salt: an earlier
    # state of the run could bring it.
    "service.dead": of(
        having({"name": NAMES.filter(lambda name: name != "absent")}, enable=YES_OR_NO), name="up"
    ),
    "service.enabled": of(having({"name": NAMES}), name="dead"),
    "service.disabled": of(having({"name": NAMES}), name="up"),
    "service.masked": of(having({"name": NAMES}, runtime=YES_OR_NO), name="dead"),
    "service.unmasked": of(having({"name": NAMES}, runtime=YES_OR_NO), name="masked"),
}
