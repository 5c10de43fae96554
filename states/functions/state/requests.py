"""Runs asked for now and let go later: `request` shows what would change, `run_request` does it."""

from pathlib import Path
from typing import Any, Final

import msgspec

from limpet.common.errors import HostError
from limpet.common.storage.files import read_whole, write_whole
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.state.calling import apply_

BYTES_MAX: Final = 64 * 1024 * 1024


def request(
    context: FunctionContext, mods: Loose = None, name: str = "default", **more: Loose
) -> Loose:
    """Say what a run would change, and keep the request under a name for `state.run_request`.

    CLI Example: limpet run '*' state.request nginx name=later
    """
    found = apply_(context, mods, **{**more, "test": True})
    kept = _read(context)
    kwargs = {key: value for key, value in more.items() if key != "test"}
    kept[name] = {"test_run": context.mask(found), "mods": mods, "kwargs": kwargs}
    _write(context, kept)
    return found


def check_request(context: FunctionContext, name: str | None = None) -> dict[str, Any]:
    """Give the requests that are kept, or one of them.

    CLI Example: limpet run '*' state.check_request
    """
    kept = _read(context)
    if name is None:
        return kept
    found: dict[str, Any] = kept.get(name) or {}
    return found


def clear_request(context: FunctionContext, name: str | None = None) -> bool:
    """Forget the requests that are kept, or one of them.

    CLI Example: limpet run '*' state.clear_request
    """
    kept = _read(context)
    if name is None:
        kept = {}
    elif kept.pop(name, None) is None:
        return False
    _write(context, kept)
    return True


def run_request(context: FunctionContext, name: str = "default", **more: Loose) -> Loose:
    """Run what was asked for under a name, and forget the request.

    CLI Example: limpet run '*' state.run_request
    """
    found = _read(context).get(name)
    if found is None:
        return {}
    results = apply_(context, found.get("mods"), **{**(found.get("kwargs") or {}), **more})
    clear_request(context, name)
    return results


def _path(context: FunctionContext) -> Path:
    return context.places.state_directory / "requested_runs"


def _read(context: FunctionContext) -> dict[str, Any]:
    try:
        data = msgspec.msgpack.decode(read_whole(_path(context), bytes_max=BYTES_MAX))
    except FileNotFoundError:
        return {}
    except msgspec.DecodeError as error:
        raise HostError(f"{_path(context)} is damaged: {error}; delete it") from error
    return data if isinstance(data, dict) else {}


def _write(context: FunctionContext, kept: dict[str, Any]) -> None:
    write_whole(_path(context), msgspec.msgpack.encode(kept, enc_hook=str))
