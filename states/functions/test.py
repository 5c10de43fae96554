"""`test.*`: is the minion there, how are arguments passed, how do failures look.

Those of `instant.py` are answered by the link process when a job asks for them; here they stand for
local calls, for calls from other functions and for their documentation.
"""

import builtins
import hashlib
import traceback
from typing import Any

from limpet import __version__
from limpet.common.errors import HostError, LimpetError, UsageError
from limpet.states import versions as versions_of
from limpet.states.context import FunctionContext, Loose


def ping(context: FunctionContext) -> bool:
    """Say that the minion is there and answers; no ICMP is involved.

    CLI Example: limpet run '*' test.ping
    """
    return True


def true_(context: FunctionContext) -> bool:
    """Give true, whatever happens.

    CLI Example: limpet run '*' test.true
    """
    return True


def false_(context: FunctionContext) -> bool:
    """Give false, whatever happens; the job itself is ok.

    CLI Example: limpet run '*' test.false
    """
    return False


def echo(context: FunctionContext, text: Loose) -> Loose:
    """Give the text back as it arrived.

    CLI Example: limpet run '*' test.echo 'hello there'
    """
    return text


def outputter(context: FunctionContext, data: Loose) -> Loose:
    """Give the data back, to see how it is shown.

    CLI Example: limpet run '*' test.outputter '{a: [1, 2]}'
    """
    return data


def arg(context: FunctionContext, *args: Loose, **kwargs: Loose) -> dict[str, Any]:
    """Show the arguments as they arrived, by place and by name.

    CLI Example: limpet run '*' test.arg 1 two 3.1 txt=hello wow='{a: 1}'
    """
    return {"args": list(args), "kwargs": kwargs}


def arg_clean(context: FunctionContext, *args: Loose, **kwargs: Loose) -> dict[str, Any]:
    """Show the arguments without bookkeeping; the same as `test.arg` here.

    CLI Example: limpet run '*' test.arg_clean 1 two txt=hello
    """
    return arg(context, *args, **kwargs)


def arg_repr(context: FunctionContext, *args: Loose, **kwargs: Loose) -> dict[str, str]:
    """Show the arguments as Python writes them.

    CLI Example: limpet run '*' test.arg_repr 1 two 3.1 txt=hello
    """
    return {"args": repr(args), "kwargs": repr(kwargs)}


def arg_type(context: FunctionContext, *args: Loose, **kwargs: Loose) -> dict[str, Any]:
    """Show the types of the arguments.

    CLI Example: limpet run '*' test.arg_type 1 two
    """
    return {
        "args": [str(type(each)) for each in args],
        "kwargs": {key: str(type(each)) for key, each in kwargs.items()},
    }


def kwarg(context: FunctionContext, **kwargs: Loose) -> dict[str, Any]:
    """Show the arguments that were given by name.

    CLI Example: limpet run '*' test.kwarg num=1 txt=two env='{a: 1}'
    """
    return kwargs


def sleep(context: FunctionContext, length: float) -> bool:
    """Wait that many seconds, then give true.

    CLI Example: limpet run '*' test.sleep 20
    """
    if length < 0:
        raise UsageError(f"test.sleep: the argument 'length' must not be negative, as {length} is")
    context.host.system.sleep(length)
    return True


def rand_sleep(context: FunctionContext, max: int = 60) -> bool:  # noqa: A002
    """Wait a random whole number of seconds up to `max`, so that minions answer one by one.

    CLI Example: limpet run '*' test.rand_sleep 60
    """
    if max < 0:
        raise UsageError(f"test.rand_sleep: the argument 'max' must not be negative, as {max} is")
    context.host.system.sleep(int(context.host.system.random() * (max + 1)))
    return True


def version(context: FunctionContext) -> str:
    """Give the version of limpet on the minion.

    CLI Example: limpet run '*' test.version
    """
    return __version__


def versions_information(context: FunctionContext) -> dict[str, dict[str, str | None]]:
    """Give the versions of limpet, Python, the libraries and the system, by group.

    CLI Example: limpet run '*' test.versions_information
    """
    return versions_of.information(context)


def versions_report(context: FunctionContext) -> str:
    """Give the versions of limpet and what it stands on, as text for a bug report.

    CLI Example: limpet run '*' test.versions_report
    """
    return versions_of.report(context)


def versions(context: FunctionContext) -> str:
    """Give the versions of limpet and what it stands on; the same as `test.versions_report`.

    CLI Example: limpet run '*' test.versions
    """
    return versions_of.report(context)


def exception(context: FunctionContext, message: str = "Test Exception") -> None:
    """Raise an exception, to see how a failed job is shown.

    CLI Example: limpet run '*' test.exception 'Oh no!'
    """
    raise Exception(message)


def raise_exception(context: FunctionContext, name: str, *args: Loose) -> bool:
    """Raise a built-in exception by name; false if there is none of that name.

    CLI Example: limpet run '*' test.raise_exception TypeError 'a number is needed'
    """
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        raise kind(*args)
    return False


def assertion(context: FunctionContext, assertion: Loose) -> None:
    """Fail unless the argument is true.

    CLI Example: limpet run '*' test.assertion False
    """
    if not assertion:
        raise AssertionError(f"{assertion!r} is not true")


def retcode(context: FunctionContext, code: int = 42) -> bool:
    """Give true, but end with the given retcode.

    CLI Example: limpet run '*' test.retcode 42
    """
    context.retcode = code
    return True


def try_(
    context: FunctionContext, module: str, return_try_exception: bool = False, **kwargs: Loose
) -> Loose:
    """Call a function and give its value; nothing (or the error's text) if it fails.

    For templates where a failure is expected. CLI Example:
    limpet run '*' test.try cmd.which cmd=nginx
    """
    try:
        return context.call(module, **kwargs)
    except Exception as error:  # noqa: BLE001 — swallowing any failure is what this function is for
        return str(error) if return_try_exception else None


def cross_test(context: FunctionContext, func: str, args: list[Any] | None = None) -> Loose:
    """Call another function from within this one.

    CLI Example: limpet run '*' test.cross_test grains.get '[os]'
    """
    return context.call(func, *(args or []))


def fib(context: FunctionContext, num: int) -> tuple[int, float]:
    """Give a number of the Fibonacci series and the seconds that it took.

    CLI Example: limpet run '*' test.fib 30
    """
    if num < 0:
        raise UsageError(f"test.fib: the argument 'num' must not be negative, as {num} is")
    begin = context.host.system.now()
    previous, current = 1, 0
    for _ in range(num):
        previous, current = current, previous + current
    return current, context.host.system.now() - begin


def collatz(context: FunctionContext, start: int) -> tuple[list[int], float]:
    """Give the Collatz series from `start` down to 1 and the seconds that it took.

    CLI Example: limpet run '*' test.collatz 27
    """
    if start < 1:
        raise UsageError(f"test.collatz: the argument 'start' must be at least 1, not {start}")
    begin = context.host.system.now()
    steps = []
    while start != 1:
        steps.append(start)
        start = start // 2 if start % 2 == 0 else start * 3 + 1
    return steps, context.host.system.now() - begin


def random_hash(context: FunctionContext, size: int = 9999999999, hash_type: str = "sha256") -> str:
    """Give the hash of a random number between 1 and `size`.

    CLI Example: limpet run '*' test.random_hash hash_type=sha512
    """
    if hash_type not in hashlib.algorithms_guaranteed or hash_type.startswith("shake"):
        raise UsageError(f"test.random_hash: there is no hash_type {hash_type!r}; try sha256")
    number = int(context.host.system.random() * size) + 1
    return hashlib.new(hash_type, str(number).encode(), usedforsecurity=False).hexdigest()


def rand_str(context: FunctionContext, size: int = 9999999999, hash_type: str = "sha256") -> str:
    """Give the hash of a random number; the older name of `test.random_hash`.

    CLI Example: limpet run '*' test.rand_str
    """
    return random_hash(context, size, hash_type)


def get_opts(context: FunctionContext) -> dict[str, Any]:
    """Give the configuration that this minion runs with, secrets left out.

    CLI Example: limpet run '*' test.get_opts
    """
    secret = ("join", "master_key")
    return {key: value for key, value in context.configuration.items() if key not in secret}


def opts_pkg(context: FunctionContext) -> dict[str, Any]:
    """Give the configuration and the grains of this minion together.

    CLI Example: limpet run '*' test.opts_pkg
    """
    return {**get_opts(context), "grains": dict(context.grains)}


def conf_test(context: FunctionContext) -> Loose:
    """Give the value of `test.foo` in the configuration.

    CLI Example: limpet run '*' test.conf_test
    """
    return context.call("config.option", "test.foo")


def stack(context: FunctionContext) -> str:
    """Give the stack of calls that led here.

    CLI Example: limpet run '*' test.stack
    """
    return "".join(traceback.format_stack())


def provider(context: FunctionContext, module: str) -> str:
    """Give the name of the file that provides a module, nothing if there is none.

    CLI Example: limpet run '*' test.provider cmd
    """
    return module if module in _modules(context) else ""


def providers(context: FunctionContext) -> dict[str, str]:
    """Give all modules with the files that provide them.

    CLI Example: limpet run '*' test.providers
    """
    return {module: module for module in _modules(context)}


def not_loaded(context: FunctionContext) -> list[str]:
    """Give the modules that could not be loaded on this minion.

    CLI Example: limpet run '*' test.not_loaded
    """
    failed = []
    for module in _modules(context):
        try:
            context.call("sys.list_functions", module)
        except (LimpetError, ImportError):
            failed.append(module)
    return failed


def _modules(context: FunctionContext) -> list[str]:
    listed = context.call("sys.list_modules")
    if not isinstance(listed, list):
        raise HostError("sys.list_modules gave no list")
    return listed
