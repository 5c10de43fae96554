"""States compiled and run.

What runs states is loaded only when one of these functions is called.
"""

from typing import Any

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.state.disabling import DISABLED_HIGHSTATE, disabled_among
from limpet.states.functions.state.wishes import WISHES, names_of, run


def apply_(context: FunctionContext, mods: Loose = None, **more: Loose) -> Loose:
    """Run the named SLS, or without a name what the top file has for this minion.

    CLI Example: limpet run '*' state.apply nginx,users test=True pillar='{"version": "2.1"}'
    """
    return sls(context, mods, **more) if mods else highstate(context, **more)


def highstate(context: FunctionContext, **more: Loose) -> Loose:
    """Run what the top file has for this minion.

    CLI Example: limpet run '*' state.highstate exclude='[{sls: users}]' test=True
    """
    if disabled_among(context, ["highstate"]):
        context.retcode = 1
        return dict(DISABLED_HIGHSTATE)
    return run(context, more, "top")


def sls(context: FunctionContext, mods: Loose, **more: Loose) -> Loose:
    """Run the named SLS, several of them with commas between.

    CLI Example: limpet run '*' state.sls core,edit.vim saltenv=dev
    """
    names = names_of(mods)
    if disabled := disabled_among(context, names):
        context.retcode = 1
        return [
            f'The state file "{each}" is currently disabled, to re-enable, run state.enable {each}.'
            for each in disabled
        ]
    return run(context, more, "sls", names)


def test(context: FunctionContext, *mods: Loose, **more: Loose) -> Loose:
    """Say what `state.apply` would change, and change nothing.

    CLI Example: limpet run '*' state.test nginx
    """
    return apply_(context, *mods, **{**more, "test": True})


def top(context: FunctionContext, topfn: str, **more: Loose) -> Loose:
    """Run what another top file than the configured one has for this minion.

    CLI Example: limpet run '*' state.top reverse_top.sls exclude='[{sls: users}]'
    """
    return run(context, {**more, "topfn": topfn}, "top")


def sls_id(context: FunctionContext, id_: str, mods: Loose, **more: Loose) -> Loose:
    """Run one id (or name) of the named SLS, and what it needs.

    CLI Example: limpet run '*' state.sls_id nginx web.server
    """
    return run(context, more, "sls", names_of(mods), id_)


def single(context: FunctionContext, fun: str, name: str, **more: Loose) -> Loose:
    """Run one state function with these arguments.

    CLI Example: limpet run '*' state.single file.managed name=/tmp/greeting contents=hello
    """
    module, _, function = fun.partition(".")
    if not function:
        raise UsageError(f"{fun!r} is no state function such as file.managed")
    wishes = {*WISHES, "queue", "concurrent"} - {"saltenv", "exclude"}
    chunk = {key: value for key, value in more.items() if key not in wishes}
    chunk |= {"state": module, "fun": function, "name": name, "__id__": name}
    return run(context, more, "chunks", [chunk])


def high(context: FunctionContext, data: Loose, **more: Loose) -> Loose:
    """Run high data that is handed in.

    CLI Example: limpet run '*' state.high '{"vim": {"test": ["nop"]}}'
    """
    if not isinstance(data, dict):
        context.retcode = 1
        return ["High data is not a dictionary and is invalid"]
    return run(context, more, "high", data)


def low(context: FunctionContext, data: dict[str, Any], **more: Loose) -> Loose:
    """Run one low chunk that is handed in, and give its result.

    CLI Example: limpet run '*' state.low '{"state": "test", "fun": "nop", "name": "vi"}'
    """
    if missing := [key for key in ("state", "fun", "name") if key not in data]:
        context.retcode = 1
        return [f'Missing "{key}" data' for key in missing]
    found = run(context, more, "chunks", [{"__id__": data["name"], **data}])
    return next(iter(found.values())) if isinstance(found, dict) else found


def template_str(context: FunctionContext, tem: Loose, **more: Loose) -> Loose:
    """Run the states that stand in a text, which is rendered as an SLS is.

    CLI Example: limpet run '*' state.template_str '{"vim": {"test.nop": []}}'
    """
    import json

    text = tem if isinstance(tem, str) else json.dumps(tem)  # the command line reads YAML itself
    return run(context, more, "text", text)


def template(context: FunctionContext, tem: str, **more: Loose) -> Loose:
    """Run the states of a file on this minion, which is rendered as an SLS is.

    CLI Example: limpet run '*' state.template /root/site.sls
    """
    text = context.host.files.read_text(tem)
    if text is None:
        raise HostError(f"there is no file {tem} on this minion")
    return run(context, more, "text", {"text": text, "sls": tem})


def resume(context: FunctionContext, jid: str) -> Loose:
    """Go on with a run that was cut off or had failed, with the same names and options.

    States that had ended well are not run again; their results are taken over. Salt's function of
    that name lets a paused run go on; here no run can be paused.

    CLI Example: limpet run web1 state.resume 01JD3Z0VQ9…
    """
    from limpet.states.runner.resuming import resume as go_on

    return go_on(context, jid)
