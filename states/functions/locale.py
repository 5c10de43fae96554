"""`locale.*`: the languages that programs can speak, and the one they speak by default."""

import re
from typing import Final

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext, Loose
from limpet.states.data.lines import lines_of
from limpet.states.ports import programs

_GEN: Final = "/etc/locale.gen"
_DEBIAN: Final = "/etc/default/locale"
_OTHERS: Final = "/etc/locale.conf"
_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,60}"
_GEN_S: Final = 600.0


def list_avail(context: FunctionContext) -> list[str]:
    """Name the locales that there are.

    CLI Example: limpet run '*' locale.list_avail
    """
    answer = programs.run(context.host.commands, ["locale", "-a"]).checked()
    return answer.stdout.split()


def avail(context: FunctionContext, locale: str) -> bool:
    """Say whether there is a locale, however its character set is written.

    CLI Example: limpet run '*' locale.avail en_US.UTF-8
    """
    wanted = normal(locale)
    return any(normal(each) == wanted for each in list_avail(context))


def get_locale(context: FunctionContext) -> str:
    """Give the locale that programs get by default; empty if none is set.

    CLI Example: limpet run '*' locale.get_locale
    """
    for line in (context.host.files.read_text(_file(context)) or "").splitlines():
        if found := re.match(r"\s*LANG=[\"']?([^\"'\s]*)", line):
            return found.group(1)
    return ""


def set_locale(context: FunctionContext, locale: str) -> bool:
    """Set the locale that programs get by default when they are started.

    CLI Example: limpet run '*' locale.set_locale en_US.UTF-8
    """
    name = programs.plain_word(locale, "the name of a locale", _NAME)
    path = _file(context)
    text = context.host.files.read_text(path)
    kept = [e for e in lines_of(text or "") if not re.match(r"\s*(export\s+)?LANG=", e)]
    content = "".join(f"{line}\n" for line in [f"LANG={name}", *kept]).encode()
    context.host.file_system.place(path, content, mode=0o644 if text is None else None)
    return True


def gen_locale(context: FunctionContext, locale: str, **_odd: Loose) -> Loose:
    """Make a locale; true if it is there then.

    CLI Example: limpet run '*' locale.gen_locale 'en_IE.UTF-8 UTF-8'
    """
    word, _, charset = locale.partition(" ")
    name = programs.plain_word(word, "the name of a locale", _NAME)
    charset = charset.strip() or _charset(name)
    programs.plain_word(charset, "a character set", r"[A-Za-z0-9_-]+")
    if context.host.files.exists(_GEN) and programs.find(context.host.commands, "locale-gen"):
        _ask_for(context, f"{name} {charset}")
        answer = programs.run(context.host.commands, ["locale-gen"], limit_s=_GEN_S)
    else:
        language = name.partition(".")[0]
        words = ["localedef", "--force", "-i", language, "-f", charset, name]
        answer = programs.run(context.host.commands, words, limit_s=_GEN_S)
    if not answer.is_good:
        raise HostError(f"the locale {name} can't be made: {answer.complaint}")
    return avail(context, name)


def normal(locale: str) -> str:
    """Give a locale's name so that two that mean the same are equal."""
    language, _, rest = locale.partition(" ")[0].partition(".")
    charset, at, modifier = rest.partition("@")
    return f"{language}.{charset.lower().replace('-', '')}{at}{modifier}".rstrip(".")


def _ask_for(context: FunctionContext, wanted: str) -> None:
    """Have the line of a locale stand in the list of those that are made, without a mark."""
    lines, is_there = [], False
    for line in (context.host.files.read_text(_GEN) or "").splitlines():
        if line.lstrip("# ").strip() == wanted:
            line, is_there = wanted, True
        lines.append(line)
    lines += [] if is_there else [wanted]
    content = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
    context.host.file_system.place(_GEN, content, mode=None)


def _charset(name: str) -> str:
    charset = name.partition(".")[2].partition("@")[0]
    return "UTF-8" if charset.lower().replace("-", "") == "utf8" else charset or "ISO-8859-1"


def _file(context: FunctionContext) -> str:
    is_debian = context.host.files.exists("/etc/debian_version")
    return _DEBIAN if is_debian else _OTHERS
