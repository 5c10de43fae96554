"""One rendered SLS as high data: short forms written out, `extend` and `exclude` taken aside."""

from typing import Any

High = dict[str, Any]
"""State declarations by id; `__extend__` and `__exclude__` hold what acts on others."""


def declare(data: dict[Any, Any], sls: str, environment: str) -> tuple[High, list[Any], list[str]]:
    """Give the high data of one SLS, its list of includes, and errors in Salt's words."""
    errors: list[str] = []
    included: list[Any] = []
    if "include" in data:
        if isinstance(data["include"], list):
            included = data.pop("include")
        else:
            errors.append(f"Include Declaration in SLS {sls} is not formed as a list")
    _take_extend(data, sls, environment, errors)
    _take_exclude(data, sls, errors)
    for name in data:
        if name not in ("__extend__", "__exclude__"):
            _write_out(data, name, sls, environment, errors)
    return data, included, errors


def number(high: High, order: int) -> int:
    """Give each declaration without an `order` the next number; gives the one after the last."""
    for name, body in high.items():
        if not isinstance(body, dict) or name in ("__extend__", "__exclude__"):
            continue
        for key, arguments in body.items():
            if not isinstance(key, str) or key.startswith("_") or not isinstance(arguments, list):
                continue
            if any(
                isinstance(each, dict) and next(iter(each), "") == "order" for each in arguments
            ):
                continue
            arguments.append({"order": order})
            order += 1
    return order


def _take_extend(data: High, sls: str, environment: str, errors: list[str]) -> None:
    if "extend" not in data:
        return
    extension = data.pop("extend")
    if not isinstance(extension, dict):
        errors.append(f"Extension value in SLS '{sls}' is not a dictionary")
        return
    for name in list(extension):
        body = extension[name]
        if not isinstance(body, dict):
            errors.append(f"Extension name '{name}' in SLS '{sls}' is not a dictionary")
            del extension[name]
            continue
        body.setdefault("__sls__", sls)
        body.setdefault("__env__", environment)
        for key in list(body):
            if isinstance(body[key], list) and _has_function(key):
                module, function = _split(key)
                body[module] = [*body.pop(key), function]
    data.setdefault("__extend__", []).append(extension)


def _take_exclude(data: High, sls: str, errors: list[str]) -> None:
    if "exclude" not in data:
        return
    excluded = data.pop("exclude")
    if not isinstance(excluded, list):
        errors.append(f"Exclude Declaration in SLS {sls} is not formed as a list")
        excluded = []
    data.setdefault("__exclude__", []).extend(excluded)


def _write_out(
    data: High,
    name: Any,  # noqa: ANN401
    sls: str,
    environment: str,
    errors: list[str],
) -> None:
    """Bring one declaration into the long form: module, list of arguments with the function."""
    body = data[name]
    if isinstance(body, str) and "." in body:
        module, function = _split(body)
        data[name] = {"__sls__": sls, "__env__": environment, module: [function]}
        return
    if not isinstance(body, dict):
        errors.append(f"ID {name} in SLS {sls} is not a dictionary")
        return
    modules: set[str] = set()
    for key in list(body):
        if not isinstance(key, str) or key.startswith("_") or not isinstance(body[key], list):
            continue
        if "." not in key:
            modules.add(key)
            continue
        module, function = _split(key)
        if module in modules:
            errors.append(
                f"ID '{name}' in SLS '{sls}' contains multiple state declarations of the same type"
            )
            continue
        body[module] = [*body.pop(key), function]
        modules.add(module)
    body.setdefault("__sls__", sls)
    body.setdefault("__env__", environment)


def _has_function(key: object) -> bool:
    return isinstance(key, str) and not key.startswith("_") and "." in key


def _split(dotted: str) -> tuple[str, str]:
    """Take `pkg.installed` apart; more dots than one are junk, as in Salt."""
    parts = dotted.split(".")
    return parts[0], parts[1]
