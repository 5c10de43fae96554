"""`#!py`: a program whose function `run` gives the data."""

import os
from typing import Any

from limpet.common.errors import LimpetError
from limpet.states.sls import limits
from limpet.states.sls.errors import RenderError
from limpet.states.sls.places import sls_variables
from limpet.states.sls.renderers.call import Call


def render(found: Any, call: Call) -> Any:  # noqa: ANN401
    """Run the program, and give what its `run` gives."""
    call.means.before_foreign(call.real_path)
    names = _names(call)
    process = os.getpid()
    try:
        # SLS are the administrator's own code; `#!py` says so in so many words.
        exec(compile(str(found), call.real_path, "exec"), names)  # noqa: S102
        run = names.get("run")
        if not callable(run):
            raise RenderError("a `#!py` file defines a function `run()`", call.real_path)
        return run()
    except (LimpetError, limits.TimeIsUp, MemoryError, KeyboardInterrupt):
        raise
    except BaseException as error:  # SystemExit too ends the file, not the process
        line = _line_in(error, call.real_path)
        raise RenderError(
            f"{type(error).__name__}: {error}", call.real_path, line, call.text
        ) from error
    finally:
        if os.getpid() != process:
            os._exit(1)  # the file has forked: only one of the two may go on with the job


def _names(call: Call) -> dict[str, Any]:
    """Give what the program finds as its globals."""
    seen = call.means.variables(call.environment)
    return {
        **seen,
        "__salt__": seen["salt"],
        "__grains__": seen["grains"],
        "__pillar__": seen["pillar"],
        "__opts__": seen["opts"],
        "__env__": call.environment,
        "__sls__": call.sls,
        "sls": call.sls,
        **sls_variables(call.real_path, call.sls),
        **call.variables,
        "__name__": "limpet_py_renderer",
        "__file__": call.real_path,
    }


def _line_in(error: BaseException, real_path: str) -> int | None:
    """Give the line of the program in which it went wrong."""
    if isinstance(error, SyntaxError):
        return error.lineno
    line = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == real_path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
