"""The Jinja environment of one rendering: extensions, filters, and templates out of file roots.

An environment is made for each rendering, as globals belong to it; the compiled templates are kept
beside it, in `Compiled`, for the next ones.
"""

import hashlib
import json
import posixpath
from collections.abc import Callable, Mapping, MutableMapping
from functools import wraps
from types import CodeType
from typing import Any, Final

import jinja2
import jinja2.defaults
import jinja2.sandbox
from jinja2.runtime import Context

from limpet.states.fileroots.port import FileRoots
from limpet.states.sls.jinja import data_filters, hash_filters, network_filters, text_filters
from limpet.states.sls.jinja.calls import Functions, filters_by_call
from limpet.states.sls.jinja.serializing import Serializing


def _at_its_time(function: Callable[..., Any]) -> Callable[..., Any]:
    """Have a filter called when the template is rendered, also where it stands on a constant."""

    @jinja2.pass_context
    @wraps(function)
    def called(_context: Context, *positional: Any, **keyword: Any) -> Any:  # noqa: ANN401
        return function(*positional, **keyword)

    return called


_FILTERS: Final[dict[str, Any]] = {
    **text_filters.FILTERS,
    **data_filters.FILTERS,
    **network_filters.FILTERS,
    **hash_filters.FILTERS,
}
_AT_ITS_TIME: Final = (
    "date_format", "gen_mac", "rand_str", "random_hash", "random_sample", "random_shuffle",
    "random_str", "strftime",
)  # fmt: skip
"""Chance and the clock: Jinja would work them out when it compiles, once for all renderings."""
_FILTERS.update({name: _at_its_time(_FILTERS[name]) for name in _AT_ITS_TIME})
_REMOVED: Final = ("urlize", "xmlattr")
"""Of no use in what is no HTML, and each was the way into a known weakness."""
_HEADER: Final = "#jinja2:"
COMPILED_MAX: Final = 4096
"""Templates whose code is kept; then it begins anew."""


class Compiled:
    """Templates that were compiled already, by their text; kept from one rendering to the next.

    Also by their name: it is in the code, as what `./x` in it is beside.
    """

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str | None, str, str], CodeType] = {}

    def code(
        self, environment: jinja2.Environment, text: str, name: str | None, real_path: str
    ) -> CodeType:
        """Compile a template, or give what came of it before. Raises `TemplateSyntaxError`."""
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        key = (digest, name, real_path, getattr(environment, "options_text", ""))
        if key not in self._codes:
            if len(self._codes) >= COMPILED_MAX:
                self._codes.clear()
            self._codes[key] = environment.compile(text, name, real_path)
        return self._codes[key]


class Loader(jinja2.BaseLoader):
    """Gives templates out of one environment of the file roots; notes which file is which."""

    def __init__(
        self, roots: FileRoots, environment: str, compiled: Compiled, functions: Functions
    ) -> None:
        self.functions = functions
        """The functions that its templates call."""
        self._roots = roots
        self._environment = environment
        self._compiled = compiled
        self.texts: dict[str, str] = {}
        """The text of each template that was loaded, by its real path."""

    def has(self, path: str) -> bool:
        """Say whether there is such a template."""
        return self._roots.exists(path, self._environment)

    def load(
        self,
        environment: jinja2.Environment,
        name: str,
        globals: MutableMapping[str, Any] | None = None,  # noqa: A002 (Jinja's name)
    ) -> jinja2.Template:
        """Load a template for `import`, `include` or `extends`."""
        found = self._roots.read(name, self._environment)
        if found is None:
            raise jinja2.TemplateNotFound(name)
        try:
            text = found.content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise jinja2.TemplateRuntimeError(f"{name} is not UTF-8: {error}") from error
        self.texts[found.real_path] = text
        code = self._compiled.code(environment, text, name, found.real_path)
        return environment.template_class.from_code(environment, code, globals or {}, None)


class Environment(jinja2.sandbox.SandboxedEnvironment):
    """Finds relative templates beside the one that names them, and tells each its own place."""

    options_text: str = ""
    """Jinja's options, as a key for compiled templates."""
    salt_folder: str = "."
    """The folder of the file that is rendered; where Salt would look for `./x`."""

    def join_path(self, template: str, parent: str | None) -> str:
        """Resolve `./x` and `../x` from the template that names them."""
        if template.split("/", 1)[0] not in (".", ".."):
            return template
        loader = self.loader
        assert isinstance(loader, Loader)
        for folder in (posixpath.dirname(parent or ""), self.salt_folder):
            path = posixpath.normpath(posixpath.join(folder, template))
            if path.split("/", 1)[0] != ".." and loader.has(path):
                return path
        return template

    def _load_template(
        self,
        name: str,
        globals: MutableMapping[str, Any] | None,  # noqa: A002 (Jinja's name)
    ) -> jinja2.Template:
        return super()._load_template(name, {**place_of(name), **(globals or {})})


def place_of(path: str) -> dict[str, str]:
    """Give the variables that tell a template where it is."""
    folder = posixpath.dirname(path)
    return {
        "tplfile": path,
        "tpldir": folder or ".",
        "tpldot": folder.replace("/", "."),
        "tplroot": folder.split("/")[0] or ".",
    }


def make_environment(
    loader: Loader,
    functions: Functions,
    variables: Mapping[str, Any],
    options: Mapping[str, Any],
    *,
    allow_undefined: bool = False,
) -> Environment:
    """Make the environment of one rendering. Unknown options are ignored, as in Salt."""
    known = {
        name: value
        for name, value in options.items()
        if hasattr(jinja2.defaults, name.upper()) and name not in ("newline_sequence",)
    }
    environment = Environment(
        loader=loader,
        undefined=jinja2.Undefined if allow_undefined else jinja2.StrictUndefined,
        extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols", Serializing],
        cache_size=400,
        auto_reload=False,
        **known,
    )
    environment.options_text = repr(sorted(known.items(), key=str))
    environment.filters.update(_FILTERS)
    environment.filters.update(filters_by_call(functions))
    for name in _REMOVED:
        environment.filters.pop(name, None)
    environment.tests.update(
        {
            "list": data_filters.is_list,
            "match": text_filters.is_match,
            "equalto": environment.tests["eq"],
        }
    )
    environment.globals.update(variables)
    environment.globals.update(
        {
            "odict": dict,
            "raise": _raise,
            "show_full_context": _show_full_context,
            "ifelse": _calling(functions, "match.ifelse"),
        }
    )
    return environment


def header_options(text: str) -> tuple[str, dict[str, Any]]:
    """Take the line `#jinja2: {…}` off a template: options of Jinja for this file alone.

    It is the first line, or the second after a line that names renderers. One that is no JSON
    stays in the text.
    """
    lines = text.splitlines(keepends=True)
    place = 1 if lines and lines[0].startswith("#!") and not lines[0].startswith("#!/") else 0
    if place >= len(lines) or not lines[place].startswith(_HEADER):
        return text, {}
    try:
        found = json.loads(lines[place].removeprefix(_HEADER))
    except ValueError:
        return text, {}
    if not isinstance(found, dict):
        return text, {}
    del lines[place]
    return "".join(lines), {str(key).lower(): value for key, value in found.items()}


def _raise(message: object) -> None:
    raise jinja2.TemplateRuntimeError(str(message))


def _calling(functions: Functions, name: str) -> Callable[..., Any]:
    def called(*positional: Any, **keyword: Any) -> Any:  # noqa: ANN401
        return functions.call(name, list(positional), keyword)

    return called


@jinja2.pass_context
def _show_full_context(context: Context) -> dict[str, Any]:
    return {str(key): _simple(value) for key, value in {**context.parent, **context.vars}.items()}


def _simple(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, Mapping) and type(value).__module__ == "builtins":
        return {key: _simple(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_simple(each) for each in value]
    return value if isinstance(value, str | int | float | bool | None) else repr(value)
