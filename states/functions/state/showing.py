"""States compiled and shown, not run."""

from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.state.wishes import applying_of, judged, names_of


def show_top(context: FunctionContext, **more: Loose) -> Loose:
    """Give the SLS that the top file has for this minion, by environment.

    CLI Example: limpet run '*' state.show_top
    """
    return judged(context, applying_of(context, more).compilation.show_top())


def show_highstate(context: FunctionContext, **more: Loose) -> Loose:
    """Give the high data of the top file.

    CLI Example: limpet run '*' state.show_highstate
    """
    return judged(context, applying_of(context, more).compilation.show_highstate())


def show_lowstate(context: FunctionContext, **more: Loose) -> Loose:
    """Give the low chunks of the top file, in the order in which they would run.

    CLI Example: limpet run '*' state.show_lowstate
    """
    return applying_of(context, more).compilation.show_lowstate()


def show_states(context: FunctionContext, **more: Loose) -> list[str]:
    """Give the SLS that would run, in their order.

    CLI Example: limpet run '*' state.show_states
    """
    return applying_of(context, more).compilation.show_states()


def show_sls(context: FunctionContext, mods: Loose, **more: Loose) -> Loose:
    """Give the high data of the named SLS.

    CLI Example: limpet run '*' state.show_sls core,edit.vim
    """
    return judged(context, applying_of(context, more).compilation.show_sls(names_of(mods)))


def show_low_sls(context: FunctionContext, mods: Loose, **more: Loose) -> Loose:
    """Give the low chunks of the named SLS, in their order.

    CLI Example: limpet run '*' state.show_low_sls core
    """
    found = applying_of(context, more).compilation.show_low_sls(names_of(mods))
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
    is_there = isinstance(applying_of(context, more).compilation.show_sls(names_of(mods)), dict)
    context.retcode = 0 if is_there else 1
    return is_there


def id_exists(context: FunctionContext, ids: Loose, mods: Loose, **more: Loose) -> bool:
    """Say whether the named ids are in the named SLS.

    CLI Example: limpet run '*' state.id_exists nginx,users web.server
    """
    chunks = applying_of(context, more).compilation.show_low_sls(names_of(mods))
    there = {each["__id__"] for each in chunks if isinstance(each, dict)}
    return there.issuperset(names_of(ids))


def plan(context: FunctionContext, mods: Loose = None, **more: Loose) -> Loose:
    """Give what would run, in which order and why; nothing is run.

    Without a name it is what the top file has. The retcode is 1 where the states do not compile.

    CLI Example: limpet run '*' state.plan nginx,users saltenv=base
    """
    from limpet.states.lint.plan import plan_for

    applying = applying_of(context, more)
    found = plan_for(applying.compilation, names_of(mods or []), applying.wishes.exclude)
    if found["errors"]:
        context.retcode = 1
    return found
