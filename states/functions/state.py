"""`state.*`: states of this minion compiled, shown and run.

What runs states is loaded only when one of these functions is called.
"""

from typing import TYPE_CHECKING, Any

from limpet.common.errors import UsageError
from limpet.states.context import FunctionContext, Loose

if TYPE_CHECKING:
    from limpet.states.runner.applying import Applying
    from limpet.states.runner.following import Kind

_WISHES = ("test", "saltenv", "pillarenv", "pillar", "exclude", "whitelist")


def apply_(context: FunctionContext, mods: Loose = None, **more: Loose) -> Loose:
    """Run the named SLS, or without a name what the top file has for this minion.

    CLI Example: limpet run '*' state.apply nginx,users test=True pillar='{"version": "2.1"}'
    """
    return sls(context, mods, **more) if mods else highstate(context, **more)


def highstate(context: FunctionContext, **more: Loose) -> Loose:
    """Run what the top file has for this minion.

    CLI Example: limpet run '*' state.highstate exclude='[{sls: users}]' test=True
    """
    return _run(context, more, "top")


def sls(context: FunctionContext, mods: Loose, **more: Loose) -> Loose:
    """Run the named SLS, several of them with commas between.

    CLI Example: limpet run '*' state.sls core,edit.vim saltenv=dev
    """
    return _run(context, more, "sls", _names(mods))


def sls_id(context: FunctionContext, id_: str, mods: Loose, **more: Loose) -> Loose:
    """Run one id (or name) of the named SLS, and what it needs.

    CLI Example: limpet run '*' state.sls_id nginx web.server
    """
    return _run(context, more, "sls", _names(mods), id_)


def single(context: FunctionContext, fun: str, name: str, **more: Loose) -> Loose:
    """Run one state function with these arguments.

    CLI Example: limpet run '*' state.single file.managed name=/tmp/greeting contents=hello
    """
    module, _, function = fun.partition(".")
    if not function:
        raise UsageError(f"{fun!r} is no state function such as file.managed")
    wishes = {*_WISHES, "queue", "concurrent"} - {"saltenv", "exclude"}
    chunk = {key: value for key, value in more.items() if key not in wishes}
    chunk |= {"state": module, "fun": function, "name": name, "__id__": name}
    return _run(context, more, "chunks", [chunk])


def high(context: FunctionContext, data: dict[str, Any], **more: Loose) -> Loose:
    """Run high data that is handed in.

    CLI Example: limpet run '*' state.high '{"vim": {"test": ["nop"]}}'
    """
    return _run(context, more, "high", data)


def low(context: FunctionContext, data: dict[str, Any], **more: Loose) -> Loose:
    """Run one low chunk that is handed in, and give its result.

    CLI Example: limpet run '*' state.low '{"state": "test", "fun": "nop", "name": "vi"}'
    """
    if missing := [key for key in ("state", "fun", "name") if key not in data]:
        context.retcode = 1
        return [f'Missing "{key}" data' for key in missing]
    found = _run(context, more, "chunks", [{"__id__": data["name"], **data}])
    return next(iter(found.values())) if isinstance(found, dict) else found


def template_str(context: FunctionContext, tem: Loose, **more: Loose) -> Loose:
    """Run the states that stand in a text, which is rendered as an SLS is.

    CLI Example: limpet run '*' state.template_str '{"vim": {"test.nop": []}}'
    """
    import json

    text = tem if isinstance(tem, str) else json.dumps(tem)  # the command line reads YAML itself
    return _run(context, more, "text", text)


def resume(context: FunctionContext, jid: str) -> Loose:
    """Go on with a run that was cut off or had failed, with the same names and options.

    States that had ended well are not run again; their results are taken over. Salt's function of
    that name lets a paused run go on; here no run can be paused.

    CLI Example: limpet run web1 state.resume 01JD3Z0VQ9…
    """
    from limpet.states.runner.resuming import resume as go_on

    return go_on(context, jid)


def show_top(context: FunctionContext, **more: Loose) -> Loose:
    """Give the SLS that the top file has for this minion, by environment.

    CLI Example: limpet run '*' state.show_top
    """
    return _judged(context, _applying(context, more).compilation.show_top())


def show_highstate(context: FunctionContext, **more: Loose) -> Loose:
    """Give the high data of the top file.

    CLI Example: limpet run '*' state.show_highstate
    """
    return _judged(context, _applying(context, more).compilation.show_highstate())


def show_lowstate(context: FunctionContext, **more: Loose) -> Loose:
    """Give the low chunks of the top file, in the order in which they would run.

    CLI Example: limpet run '*' state.show_lowstate
    """
    return _applying(context, more).compilation.show_lowstate()


def show_states(context: FunctionContext, **more: Loose) -> list[str]:
    """Give the SLS that would run, in their order.

    CLI Example: limpet run '*' state.show_states
    """
    return _applying(context, more).compilation.show_states()


def show_sls(context: FunctionContext, mods: Loose, **more: Loose) -> Loose:
    """Give the high data of the named SLS.

    CLI Example: limpet run '*' state.show_sls core,edit.vim
    """
    return _judged(context, _applying(context, more).compilation.show_sls(_names(mods)))


def show_low_sls(context: FunctionContext, mods: Loose, **more: Loose) -> Loose:
    """Give the low chunks of the named SLS, in their order.

    CLI Example: limpet run '*' state.show_low_sls core
    """
    found = _applying(context, more).compilation.show_low_sls(_names(mods))
    if any(isinstance(each, str) for each in found):
        context.retcode = 1
    return found


def show_sls_id(context: FunctionContext, id_: str, mods: Loose, **more: Loose) -> Loose:
    """Give the low chunks that an id has in the named SLS.

    CLI Example: limpet run '*' state.show_sls_id nginx web.server
    """
    found = show_low_sls(context, mods, **more)
    if context.retcode:
        return found
    return [each for each in found if each["__id__"] == id_]


def sls_exists(context: FunctionContext, mods: Loose, **more: Loose) -> bool:
    """Say whether the named SLS are there and render.

    CLI Example: limpet run '*' state.sls_exists core,edit.vim
    """
    is_there = isinstance(_applying(context, more).compilation.show_sls(_names(mods)), dict)
    context.retcode = 0 if is_there else 1
    return is_there


def id_exists(context: FunctionContext, ids: Loose, mods: Loose, **more: Loose) -> bool:
    """Say whether the named ids are in the named SLS.

    CLI Example: limpet run '*' state.id_exists nginx,users web.server
    """
    chunks = _applying(context, more).compilation.show_low_sls(_names(mods))
    there = {each["__id__"] for each in chunks if isinstance(each, dict)}
    return there.issuperset(_names(ids))


def _run(
    context: FunctionContext,
    more: dict[str, Any],
    kind: "Kind",
    data: Loose = None,
    id_: str | None = None,
) -> Loose:
    """Run what is asked for; give results, or errors."""
    from limpet.states.runner.following import Asked

    return _applying(context, more).run(Asked(kind, data, id_))


def _applying(context: FunctionContext, more: dict[str, Any]) -> "Applying":
    """Read what was said beside the names. Raises `UsageError`."""
    from limpet.states.functions.arguments import Mismatch, convert
    from limpet.states.runner.applying import Applying, Wishes

    pillar = more.get("pillar")
    if pillar is not None and not isinstance(pillar, dict):
        raise UsageError("Pillar data must be formatted as a dictionary")
    try:
        test = None if more.get("test") is None else convert(more["test"], bool)
    except Mismatch as mismatch:
        raise UsageError(f"the argument 'test' must be {mismatch}") from None
    return Applying(
        context,
        Wishes(
            test=test,
            saltenv=_text(more.get("saltenv")),
            pillarenv=_text(more.get("pillarenv")),
            pillar=pillar,
            exclude=_listed(more.get("exclude")),
            whitelist=_names(more.get("whitelist") or []),
        ),
    )


def _names(mods: Loose) -> list[str]:
    if isinstance(mods, str):
        return [each.strip() for each in mods.split(",") if each.strip()]
    return [str(each) for each in (mods if isinstance(mods, list | tuple) else [mods])]


def _listed(value: Loose) -> list[Any]:
    if isinstance(value, str):
        return [each.strip() for each in value.split(",")]
    return list(value) if isinstance(value, list | tuple) else []


def _text(value: Loose) -> str | None:
    return None if value is None else str(value)


def _judged(context: FunctionContext, found: Loose) -> Loose:
    if isinstance(found, list):
        context.retcode = 1
    return found
