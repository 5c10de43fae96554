"""`supervisord.*`: processes under supervisord, through `supervisorctl`."""

from typing import Any, Final

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext, Loose
from limpet.states.ports import programs

_LIMIT_S: Final = 300.0
_NAME: Final = r"[^\s\0-][^\s\0]*"


def status_raw(
    context: FunctionContext,
    name: str | None = None,
    user: str | None = None,
    conf_file: str | None = None,
    bin_env: str | None = None,
) -> str:
    """Give what `supervisorctl status` prints.

    CLI Example: limpet run '*' supervisord.status_raw
    """
    words = ["status", *([_name(name)] if name else [])]
    return _run(context, words, user, conf_file, bin_env).stdout.strip()


def status(
    context: FunctionContext,
    name: str | None = None,
    user: str | None = None,
    conf_file: str | None = None,
    bin_env: str | None = None,
) -> dict[str, dict[str, str]]:
    """Give `state` and `reason` of each process, by its name.

    CLI Example: limpet run '*' supervisord.status
    """
    found = {}
    for line in status_raw(context, name, user, conf_file, bin_env).splitlines():
        words = line.split(None, 2)
        if len(words) > 1 and words[1].isupper():
            found[words[0]] = {"state": words[1], "reason": words[2] if len(words) > 2 else ""}
    return found


def status_bool(
    context: FunctionContext,
    name: str,
    expected_state: str = "RUNNING",
    user: str | None = None,
    conf_file: str | None = None,
    bin_env: str | None = None,
) -> bool:
    """Say whether a process is in a state.

    CLI Example: limpet run '*' supervisord.status_bool web expected_state=RUNNING
    """
    found = status(context, name, user, conf_file, bin_env)
    return any(each["state"] == expected_state for each in found.values())


def start(
    context: FunctionContext,
    name: str = "all",
    user: str | None = None,
    conf_file: str | None = None,
    bin_env: str | None = None,
) -> str:
    """Start a process, or all; gives what supervisorctl says.

    CLI Example: limpet run '*' supervisord.start web
    """
    return _told(context, ["start", *_names(name)], user, conf_file, bin_env)


def stop(
    context: FunctionContext,
    name: str = "all",
    user: str | None = None,
    conf_file: str | None = None,
    bin_env: str | None = None,
) -> str:
    """Stop a process, or all; gives what supervisorctl says.

    CLI Example: limpet run '*' supervisord.stop web
    """
    return _told(context, ["stop", *_names(name)], user, conf_file, bin_env)


def restart(
    context: FunctionContext,
    name: str = "all",
    user: str | None = None,
    conf_file: str | None = None,
    bin_env: str | None = None,
) -> str:
    """Restart a process, or all; gives what supervisorctl says.

    CLI Example: limpet run '*' supervisord.restart web
    """
    return _told(context, ["restart", *_names(name)], user, conf_file, bin_env)


def add(
    context: FunctionContext,
    name: str,
    user: str | None = None,
    conf_file: str | None = None,
    bin_env: str | None = None,
) -> str:
    """Take over a process or group that the configuration has now.

    CLI Example: limpet run '*' supervisord.add web
    """
    return _told(context, ["add", *_names(name)], user, conf_file, bin_env)


def remove(
    context: FunctionContext,
    name: str,
    user: str | None = None,
    conf_file: str | None = None,
    bin_env: str | None = None,
) -> str:
    """Let go of a process or group that the configuration has no longer.

    CLI Example: limpet run '*' supervisord.remove web
    """
    return _told(context, ["remove", *_names(name)], user, conf_file, bin_env)


def reread(
    context: FunctionContext,
    user: str | None = None,
    conf_file: str | None = None,
    bin_env: str | None = None,
) -> str:
    """Have supervisord read its configuration, without changing what runs.

    CLI Example: limpet run '*' supervisord.reread
    """
    return _told(context, ["reread"], user, conf_file, bin_env)


def update(
    context: FunctionContext,
    user: str | None = None,
    conf_file: str | None = None,
    bin_env: str | None = None,
    name: str | None = None,
) -> str:
    """Have supervisord read its configuration and run what it says.

    CLI Example: limpet run '*' supervisord.update
    """
    return _told(context, ["update", *_names(name)], user, conf_file, bin_env)


def custom(
    context: FunctionContext,
    command: str,
    user: str | None = None,
    conf_file: str | None = None,
    bin_env: str | None = None,
) -> str:
    """Run any command of supervisorctl.

    CLI Example: limpet run '*' supervisord.custom 'signal HUP web'
    """
    words = command.split()
    if not words or words[0].startswith("-"):
        raise HostError(f"{command!r:.60} is no command of supervisorctl")
    return _told(context, words, user, conf_file, bin_env)


def options(context: FunctionContext, name: str, conf_file: str | None = None) -> dict[str, Any]:
    """Give what the configuration says of a program.

    CLI Example: limpet run '*' supervisord.options web
    """
    import configparser

    path = conf_file or next(
        (
            each
            for each in ("/etc/supervisor/supervisord.conf", "/etc/supervisord.conf")
            if context.host.files.exists(each)
        ),
        "/etc/supervisord.conf",
    )
    text = context.host.files.read_text(path)
    if text is None:
        raise HostError(f"Unable to read from configuration file {path}")
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text, path)
    except configparser.Error as error:
        raise HostError(f"{path} can't be understood: {error}") from error
    section = f"program:{name}"
    if not parser.has_section(section):
        raise HostError(f"Process '{name}' not found")
    return {key: value for key, value in parser.items(section)}  # noqa: C416 — Salt's mapping


def _names(name: Loose) -> list[str]:
    if not name:
        return []
    return [_name(str(each)) for each in (name if isinstance(name, list) else str(name).split())]


def _name(name: str) -> str:
    return programs.plain_word(name, "the name of a process", _NAME)


def _told(
    context: FunctionContext,
    words: list[str],
    user: str | None,
    conf_file: str | None,
    bin_env: str | None,
) -> str:
    answer = _run(context, words, user, conf_file, bin_env)
    if answer.retcode > 0 and context.is_published:
        context.retcode = answer.retcode
    return (answer.stdout + answer.stderr).strip()


def _run(
    context: FunctionContext,
    words: list[str],
    user: str | None,
    conf_file: str | None,
    bin_env: str | None,
) -> programs.Answer:
    program = "supervisorctl"
    if bin_env:
        is_folder = context.host.files.is_directory(bin_env)
        program = f"{bin_env.rstrip('/')}/bin/supervisorctl" if is_folder else bin_env
    whole = [program, *(["-c", conf_file] if conf_file else []), *words]
    return programs.run(context.host.commands, whole, user=user, limit_s=_LIMIT_S)
