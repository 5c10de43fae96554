"""Inputs of states that need no machine: `test`, `environ`, `grains`, and waiting ones."""

import os
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from limpet.states.grains.loading import with_own
from limpet.states.library.context import StateContext
from support.states.state_bench import StateBench
from support.states.state_laws import Arguments, Inputs, Sandbox, World, among, having

NAME: Arguments = {"name": "it"}


def world(place: Path) -> World:
    """Give an empty folder, a few pillar values and the real machine."""
    return Sandbox(StateBench(place, pillar={"a": {"b": 1}, "text": "t", "list": [1]}))


def never(arguments: st.SearchStrategy[Arguments]) -> Inputs:
    """Give inputs of a function that never changes anything."""
    return Inputs(world=world, arguments=arguments, changing=None, examples=10)


# -- environ: the variables of this process, those of the test's own name only --------------------


def world_of_variables(place: Path) -> World:
    """Give a world in which LIMPET_LAW_A is set and LIMPET_LAW_B is not."""
    os.environ["LIMPET_LAW_A"] = "one"
    os.environ.pop("LIMPET_LAW_B", None)

    def looks() -> Any:  # noqa: ANN401
        return {each: text for each, text in os.environ.items() if each.startswith("LIMPET_LAW")}

    return Sandbox(StateBench(place), looks)


VARIABLES = among("LIMPET_LAW_A", "LIMPET_LAW_B")
TEXTS = among("one", "two", "", 3, False, 1.5)

ENVIRON = Inputs(
    world=world_of_variables,
    arguments=having(
        {
            "name": VARIABLES,
            "value": st.one_of(TEXTS, st.dictionaries(VARIABLES, TEXTS, max_size=2)),
        },
        false_unsets=(True, False),
    ),
    changing={"name": "LIMPET_LAW_B", "value": "new"},
)

# -- grains ---------------------------------------------------------------------------------------


def world_of_grains(place: Path) -> World:
    """Give a machine whose grains are those of its file, read anew by each call."""
    state = place / ".state"
    state.mkdir(mode=0o700)
    (state / "grains").write_text("roles: [web, db]\nplace: {row: 7, tags: [a]}\nname: x\n")

    return Sandbox(_GrainsBench(place), hidden=())


class _GrainsBench(StateBench):
    def context(self, *, is_test: bool = False) -> StateContext:
        made = super().context(is_test=is_test)
        functions = made.functions
        functions.load_grains = lambda context: with_own({"os": "Debian"}, context.places, {})
        functions.forget_grains()
        return made


GRAINS = among("roles", "place", "place:row", "place:tags", "place:new", "name", "new", "new:deep")
VALUES = among("web", "new", 7, ["a", "b"], ["web"], {"row": 8}, None)


def of_grains(arguments: st.SearchStrategy[Arguments], **changing: Any) -> Inputs:  # noqa: ANN401
    return Inputs(world=world_of_grains, arguments=arguments, changing=changing, examples=40)


NOT_THERE = {
    "beacon": ("absent", "disabled", "enabled", "present"),
    "schedule": ("absent", "disabled", "enabled", "present"),
    "salt": ("function", "parallel_runners", "runner", "state", "wait_for_event", "wheel"),
    "event": ("fire_master", "send"),
}

INPUTS: dict[str, Inputs] = {
    "test.nop": never(having({"name": among("it")}, anything=(1, "x"))),
    "test.succeed_without_changes": never(having({"name": among("it")}, comment=("c",))),
    "test.fail_without_changes": never(having({"name": among("it")}, comment=("c",))),
    "test.show_notification": never(having({"name": among("it"), "text": among("t", 1)})),
    "test.check_pillar": never(
        having(
            {"name": among("it"), "present": among("a", ["a:b"], "gone")},
            integer=("a:b", "text"),
            string=("text", "list"),
            listing=("list",),
        )
    ),
    "cmd.wait": never(having({"name": among("touch @/a")})),
    "cmd.watch": never(having({"name": among("touch @/a")})),
    "cmd.wait_script": never(having({"name": among("salt://s")})),
    "cmd.wait_call": never(having({"name": among("it")})),
    "module.wait": never(having({"name": among("file.touch")})),
    "environ.setenv": ENVIRON,
    "event.wait": never(having({"name": among("a/tag")})),
    "disk.status": never(
        having({"name": among("/", "/gone")}, maximum=("0%", 100, "x"), free=(True, False))
    ),
    "status.loadavg": never(having({"name": among("1-min", "odd")}, maximum=(0, 10_000))),
    "status.process": never(having({"name": among("python", "no such process", "(")})),
    # What is not there fails and says so, and what would take it away has nothing to do.
    **{
        f"{module}.{function}": never(having({"name": among("it")}, anything=(1,)))
        for module, functions in NOT_THERE.items()
        for function in functions
    },
    "grains.exists": Inputs(
        world=world_of_grains, arguments=having({"name": GRAINS}), changing=None, examples=10
    ),
    "grains.present": of_grains(
        having({"name": GRAINS, "value": VALUES}, force=(True, False)), name="new", value=1
    ),
    "grains.absent": of_grains(
        having({"name": GRAINS}, destructive=(True, False), force=(True, False)), name="name"
    ),
    "grains.append": of_grains(
        having({"name": GRAINS, "value": VALUES}, convert=(True, False)), name="roles", value="new"
    ),
    "grains.list_present": of_grains(
        having({"name": GRAINS, "value": VALUES}), name="roles", value="new"
    ),
    "grains.list_absent": of_grains(
        having({"name": GRAINS, "value": VALUES}), name="roles", value="web"
    ),
}
