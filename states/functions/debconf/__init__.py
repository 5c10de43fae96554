"""`debconf.*`: answers to the questions that Debian packages ask when they are configured.

Only the tools of the package `debconf` itself are used. Passwords are set and compared, but never
shown.
"""

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.debconf import database
from limpet.states.functions.debconf.database import HIDDEN


def show(context: FunctionContext, name: str) -> list[list[str]] | None:
    """Give the questions of a package, each with its type and value; nothing if it asks none.

    CLI Example: limpet run '*' debconf.show tzdata
    """
    found = [
        [question, type_, HIDDEN if type_ == "password" else value]
        for question, (type_, value) in database.answers(
            context, name, database.questions_of(context, name)
        ).items()
    ]
    return found or None


def get_selections(
    context: FunctionContext, fetchempty: bool = True, **_odd: Loose
) -> dict[str, list[list[str]]]:
    """Give all questions that there are, by package.

    CLI Example: limpet run '*' debconf.get_selections
    """
    found: dict[str, list[list[str]]] = {}
    for owner in database.ask(context, ["debconf-show", "--listowners"]).split():
        shown = show(context, owner) or []
        kept = [each for each in shown if fetchempty or each[2]]
        if kept:
            found[owner] = kept
    return found


def set_(
    context: FunctionContext,
    package: str,
    question: str,
    type: str,  # noqa: A002 — Salt's name
    value: Loose,
    *extra: str,
) -> bool:
    """Answer a question of a package.

    CLI Example: limpet run '*' debconf.set tzdata tzdata/Areas select Europe
    """
    text = " ".join([database.plain(value), *extra])
    database.put(context, [(package, question, type, text)])
    return True


def set_template(
    context: FunctionContext,
    path: str,
    template: str = "jinja",
    context_: Loose = None,
    defaults: Loose = None,
    saltenv: str = "base",
    **_odd: Loose,
) -> bool:
    """Answer the questions that a rendered template answers.

    CLI Example: limpet run '*' debconf.set_template salt://pathto/pkg.selections.jinja
    """
    return set_file(context, path, saltenv, template=template)


def set_file(context: FunctionContext, path: str, saltenv: str = "base", **more: Loose) -> bool:
    """Answer the questions that a file answers, in the format of debconf-set-selections.

    CLI Example: limpet run '*' debconf.set_file salt://pathto/pkg.selections
    """
    template = more.get("template")
    if path.startswith("/") and not template:
        if context.host.file_system.facts(path, is_following=True) is None:
            raise HostError(f"there is no file {path}")
        content = context.host.file_system.read(path).decode("utf-8", "replace")
    elif template:
        place = f"{context.places.state_directory}/debconf.selections"
        given = {key: value for key, value in more.items() if key != "template"}
        if not context.call("cp.get_template", path, place, template, saltenv=saltenv, **given):
            raise HostError(f"there is no file {path}")
        content = context.host.file_system.read(place).decode("utf-8", "replace")
        context.host.file_system.remove(place)
    else:
        found = context.call("cp.get_file_str", path, saltenv=saltenv)
        if found is False:
            raise HostError(f"there is no file {path}")
        content = str(found)
    database.put(context, database.selections(content, path))
    return True
