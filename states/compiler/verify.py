"""The form of high data: what is wrong with it, in Salt's words."""

from collections.abc import Hashable
from typing import Any

from limpet.states.compiler.declarations import High
from limpet.states.compiler.keywords import LISTED


def verify_high(high: Any) -> list[str]:  # noqa: ANN401
    """List what is wrong with the form of high data."""
    if not isinstance(high, dict):
        return ["High data is not a dictionary and is invalid"]
    errors: list[str] = []
    for name, body in high.items():
        if isinstance(name, str) and name.startswith("__"):
            continue
        if not isinstance(name, str):
            errors.append(
                f"ID '{name}' in SLS '{_sls(body)}' is not formed as a string, but is type "
                f"{type(name).__name__}. It may need to be quoted."
            )
        if not isinstance(body, dict):
            errors.append(f"The type {name} in {body} is not formatted as a dictionary")
            continue
        for module, arguments in body.items():
            if not str(module).startswith("__"):
                errors += _verify_state(str(name), str(module), arguments, _sls(body))
    return errors


def _sls(body: Any) -> str:  # noqa: ANN401
    return str(body.get("__sls__", "")) if isinstance(body, dict) else ""


def _verify_state(name: str, module: str, arguments: Any, sls: str) -> list[str]:  # noqa: ANN401
    if arguments is None:
        return [
            f"ID '{name}' in SLS '{sls}' contains a short declaration ({module}) with a trailing "
            "colon. When not passing any arguments to a state, the colon must be omitted."
        ]
    if not isinstance(arguments, list):
        return [f"State '{name}' in SLS '{sls}' is not formed as a list"]
    errors: list[str] = []
    functions = [module.split(".", maxsplit=1)[1]] if "." in module else []
    for argument in arguments:
        if isinstance(argument, str):
            functions.append(argument)
            if " " in argument.strip():
                errors.append(
                    f'The function "{argument}" in state "{name}" in SLS "{sls}" has whitespace, a '
                    "function with whitespace is not supported, perhaps this is an argument that "
                    'is missing a ":"'
                )
        elif isinstance(argument, dict) and argument:
            errors += _verify_argument(name, argument, sls)
    if not functions:
        errors.append(f"No function declared in state '{name}' in SLS '{sls}'")
    elif len(functions) > 1:
        errors.append(
            f"Too many functions declared in state '{name}' in SLS '{sls}'. Please choose one of "
            f"the following: {', '.join(functions)}"
        )
    return errors


def _verify_argument(name: str, argument: dict[Any, Any], sls: str) -> list[str]:
    errors: list[str] = []
    key, value = next(iter(argument.items()))
    if key == "names" and not isinstance(value, list):
        errors.append(
            f"The 'names' argument in state '{name}' in SLS '{sls}' needs to be formed as a list"
        )
    if key not in LISTED:
        return errors
    if not isinstance(value, list):
        errors.append(
            f"The {key} statement in state '{name}' in SLS '{sls}' needs to be formed as a list"
        )
    else:
        for requisite in value:
            errors += _verify_requisite(name, requisite, sls)
    if len(argument) != 1:
        errors.append(f"Multiple dictionaries defined in argument of state '{name}' in SLS '{sls}'")
    return errors


def _verify_requisite(name: str, requisite: Any, sls: str) -> list[str]:  # noqa: ANN401
    if isinstance(requisite, str):
        return []
    if not isinstance(requisite, dict) or len(requisite) != 1:
        return [
            f"Requisite declaration {requisite} in state {name} in SLS {sls} is not formed as a "
            "single key dictionary"
        ]
    errors: list[str] = []
    module, target = next(iter(requisite.items()))
    if "." in str(module):
        errors.append(
            f"Invalid requisite type '{module}' in state '{name}', in SLS '{sls}'. Requisite types "
            f"must not contain dots, did you mean '{str(module).split('.')[0]}'?"
        )
    if not isinstance(target, Hashable):
        errors.append(f'Illegal requisite "{target}" in SLS "{sls}", please check your syntax.\n')
    return errors


def is_state(key: object) -> bool:
    """Say whether a key of a declaration's body names a state module."""
    return isinstance(key, str) and not key.startswith("__")


def states_of(high: High, name: str) -> list[str]:
    """Give the state modules of an id."""
    body = high.get(name)
    return [key for key in body if is_state(key)] if isinstance(body, dict) else []
