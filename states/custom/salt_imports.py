"""`import salt.…` in a shop's modules: the few names of Salt's that such modules are made of.

Only where no real Salt is installed beside limpet; what is not here is an `ImportError` that the
caller of the module is told.
"""

import importlib.util
import json
import os
import shutil
import sys
from types import ModuleType
from typing import Any, Final

from limpet.common.errors import HostError, UsageError


class SaltException(HostError):
    """The base of Salt's own errors."""


class CommandExecutionError(SaltException):
    """Something that a module did on this host has failed."""

    def __init__(self, message: object = "", info: object = None) -> None:
        self.info = info
        super().__init__(str(message))


class CommandNotFoundError(SaltException):
    """A program is missing."""


class SaltInvocationError(UsageError, TypeError):
    """A function was called wrongly."""


class SaltRenderError(SaltException):
    """Something could not be rendered."""


class MinionError(SaltException):
    """Something is wrong with the minion."""


_EXCEPTIONS: Final = {
    each.__name__: each
    for each in (
        SaltException,
        CommandExecutionError,
        CommandNotFoundError,
        SaltInvocationError,
        SaltRenderError,
        MinionError,
    )
}


def provide() -> None:
    """Make the names importable, once, where no Salt is installed."""
    if "salt" in sys.modules or importlib.util.find_spec("salt") is not None:
        return
    for name, content in _contents().items():
        module = ModuleType(name)
        vars(module).update(content)
        module.__path__ = []
        sys.modules[name] = module
        above, _, last = name.rpartition(".")
        if above:
            setattr(sys.modules[above], last, module)


def _contents() -> dict[str, dict[str, Any]]:
    return {
        "salt": {},
        "salt.exceptions": _EXCEPTIONS,
        "salt.utils": {},
        "salt.utils.platform": {
            "is_windows": lambda: False,
            "is_linux": lambda: sys.platform == "linux",
            "is_darwin": lambda: sys.platform == "darwin",
            "is_freebsd": lambda: False,
            "is_sunos": lambda: False,
            "is_proxy": lambda: False,
        },
        "salt.utils.path": {
            "which": shutil.which,
            "which_bin": lambda names: next(filter(None, map(shutil.which, names)), None),
            "join": os.path.join,
        },
        "salt.utils.files": {"fopen": open},
        "salt.utils.json": {"loads": json.loads, "dumps": json.dumps, "load": json.load},
        "salt.utils.yaml": {"safe_load": _yaml_load, "safe_dump": _yaml_dump},
        "salt.utils.stringutils": {"to_unicode": _to_text, "to_str": _to_text, "to_bytes": _bytes},
        "salt.utils.data": {"is_true": _is_true},
        "salt.utils.args": {"clean_kwargs": _clean},
    }


def _yaml_load(stream: Any) -> Any:  # noqa: ANN401
    import yaml

    return yaml.safe_load(stream)


def _yaml_dump(data: Any, stream: Any = None, **more: Any) -> Any:  # noqa: ANN401
    from limpet.states.sls import yaml_text

    text = yaml_text.dump_file(data, **more)
    return text if stream is None else stream.write(text)


def _to_text(value: str | bytes, encoding: str = "utf-8", errors: str = "strict") -> str:
    return value.decode(encoding, errors) if isinstance(value, bytes) else value


def _bytes(value: str | bytes, encoding: str = "utf-8", errors: str = "strict") -> bytes:
    return value if isinstance(value, bytes) else value.encode(encoding, errors)


def _is_true(value: object = None) -> bool:
    return value.lower() in ("true", "1", "yes", "on") if isinstance(value, str) else bool(value)


def _clean(**named: Any) -> dict[str, Any]:  # noqa: ANN401
    return {key: value for key, value in named.items() if not key.startswith("__")}
