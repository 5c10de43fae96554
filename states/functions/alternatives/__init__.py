"""`alternatives.*`: which of several programs stands under a common name."""

from limpet.states.context import FunctionContext
from limpet.states.functions.alternatives import links
from limpet.states.functions.alternatives.links import check_name, check_path


def display(context: FunctionContext, name: str) -> str:
    """Give what the tool shows of a name.

    CLI Example: limpet run '*' alternatives.display editor
    """
    _code, said = links.run(context, ["--display", check_name(name)])
    return said


def show_link(context: FunctionContext, name: str) -> str | bool:
    """Give the link that a name stands for; False: there is no such name.

    CLI Example: limpet run '*' alternatives.show_link editor
    """
    found = links.look(context, name)
    return found.link if found is not None and found.link else False


def show_current(context: FunctionContext, name: str) -> str | bool:
    """Give the path that a name leads to now; False: there is no such name.

    CLI Example: limpet run '*' alternatives.show_current editor
    """
    found = links.look(context, name)
    return found.current if found is not None and found.current else False


def check_exists(context: FunctionContext, name: str, path: str) -> bool:
    """Say whether a path is one of the alternatives of a name.

    CLI Example: limpet run '*' alternatives.check_exists editor /usr/bin/vim
    """
    found = links.look(context, name)
    return found is not None and path in found.paths


def check_installed(context: FunctionContext, name: str, path: str) -> bool:
    """Say whether a name leads to a path now.

    CLI Example: limpet run '*' alternatives.check_installed editor /usr/bin/vim
    """
    return show_current(context, name) == path


def install(context: FunctionContext, name: str, link: str, path: str, priority: int) -> str:
    """Add an alternative to a name, which is made if need be; give what the tool says.

    CLI Example: limpet run '*' alternatives.install editor /usr/bin/editor /usr/bin/emacs23 50
    """
    words = [check_path(link), check_name(name), check_path(path), str(priority)]
    return _changed(context, ["--install", *words])


def remove(context: FunctionContext, name: str, path: str) -> str:
    """Remove an alternative of a name; give what the tool says.

    CLI Example: limpet run '*' alternatives.remove editor /usr/bin/emacs23
    """
    return _changed(context, ["--remove", check_name(name), check_path(path)])


def auto(context: FunctionContext, name: str) -> str:
    """Let the priorities decide; give what the tool says.

    CLI Example: limpet run '*' alternatives.auto editor
    """
    return _changed(context, ["--auto", check_name(name)])


def set_(context: FunctionContext, name: str, path: str) -> str:
    """Lead a name to a path until somebody says otherwise; give what the tool says.

    CLI Example: limpet run '*' alternatives.set editor /usr/bin/vim.basic
    """
    return _changed(context, ["--set", check_name(name), check_path(path)])


def _changed(context: FunctionContext, words: list[str]) -> str:
    code, said = links.run(context, words)
    if code != 0:
        context.retcode = code
    return said
