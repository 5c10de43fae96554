"""Manual pages: one for each command, made of what click knows; two of docs/configuration.md.

    python packaging/man/generate.py DIR [--configuration FILE]

Everything that is said here is said elsewhere first: `--help` and the pages agree because they are
the same text. The pages are the same bytes for the same tree: no date stands in them.
"""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from limpet import __version__
from limpet.__main__ import cli

CONFIGURATION: Final = Path(__file__).parents[2] / "docs/configuration.md"
UNBROKEN: Final = "\b"
"""click's mark at the head of a paragraph whose lines stay as they are."""

FILES: Final = (
    ("/etc/limpet/master.yaml, /etc/limpet/master.d/*.yaml", "the master's configuration"),
    ("/etc/limpet/minion.yaml, /etc/limpet/minion.d/*.yaml", "the minion's configuration"),
    ("/srv/limpet/states, /srv/limpet/pillar", "trees of states and pillar"),
    ("/var/lib/limpet", "the master's keys and store"),
    ("/var/lib/limpet-minion", "the minion's key and journal"),
    ("/run/limpet/master.sock", "where commands reach the master; for the group limpet"),
)
ENVIRONMENT: Final = (
    ("LIMPET_ROOT", "the directory of configuration, state and sockets, as --root"),
    ("NO_COLOR", "no colours, as --no-color"),
)

_SPECIAL: Final = {
    "\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti", '"': r"\(dq",
}  # fmt: skip


def pages() -> Iterator[tuple[str, str]]:
    """Give the name and the text of each command's page."""
    for context in contexts():
        yield f"{_name(context)}.1", _command_page(context)


def contexts() -> Iterator[click.Context]:
    """Walk over all commands that help shows, parents first."""

    def walk(
        command: click.Command, name: str, parent: click.Context | None
    ) -> Iterator[click.Context]:
        context = click.Context(command, info_name=name, parent=parent)
        yield context
        if isinstance(command, click.Group):
            for each in command.list_commands(context):
                inner = command.get_command(context, each)
                if inner is not None and not inner.hidden:
                    yield from walk(inner, each, context)

    yield from walk(cli, "limpet", None)


def _name(context: click.Context) -> str:
    return context.command_path.replace(" ", "-")


def _command_page(context: click.Context) -> str:
    command = context.command
    about = command.get_short_help_str(200).rstrip(".")
    parts = [_head(_name(context), 1, about)]
    pieces = " ".join(command.collect_usage_pieces(context))
    parts.append(f".SH SYNOPSIS\n\\fB{plain(context.command_path)}\\fR {plain(pieces)}\n")
    if command.help:
        parts.append(f".SH DESCRIPTION\n{_paragraphs(command.help)}")
    options = [
        record
        for each in command.params
        if (record := each.get_help_record(context)) and record[1]  # arguments have no line
    ]
    if options:
        parts.append(".SH OPTIONS\n" + "".join(_entry(*record) for record in options))
    inner = [each for each in contexts() if each.parent and _name(each.parent) == _name(context)]
    if inner:
        parts.append(".SH COMMANDS\n")
        for each in inner:
            parts.append(f".TP\n\\fB{plain(_name(each))}\\fR(1)\n")
            parts.append(f"{plain(each.command.get_short_help_str(200))}\n")
    if command.epilog:
        parts.append(f".SH NOTES\n{_paragraphs(command.epilog)}")
    if context.parent is None:
        parts.append(".SH ENVIRONMENT\n" + "".join(_entry(*each) for each in ENVIRONMENT))
        parts.append(".SH FILES\n" + "".join(_entry(*each) for each in FILES))
    parts.append(_see_also(context, [_name(each) for each in inner]))
    return "".join(parts)


def _see_also(context: click.Context, inner: list[str]) -> str:
    names = [] if context.parent is None else [f"{_name(context.parent)}(1)"]
    names += [f"{each}(1)" for each in inner]
    for role in ("master", "minion"):
        if context.parent is None or role in _name(context).split("-"):
            names.append(f"limpet-{role}.yaml(5)")
    listed = ",\n".join(rf"\fB{plain(n[:-3])}\fR{n[-3:]}" for n in dict.fromkeys(names))
    return f".SH SEE ALSO\n{listed}\n"


def configuration_pages(source: str) -> Iterator[tuple[str, str]]:
    """Give a page for each of the two files that docs/configuration.md tells of."""
    intro = source.split("\n## ", 1)[0].split("\n", 1)[1]
    for role in ("master", "minion"):
        (part,) = re.findall(rf"^## {role}\.yaml\n(.*?)(?=^## )", source, re.MULTILINE | re.DOTALL)
        about = f"configuration of the {role} of limpet"
        text = [_head(f"limpet-{role}.yaml", 5, about)]
        text.append(f".SH DESCRIPTION\n{_markdown_paragraphs(intro)}.SH KEYS\n")
        for row in re.findall(r"^\| `(.*)$", part, re.MULTILINE):
            key, default, meaning = re.split(r"(?<!\\)\|", row.rstrip().rstrip("|"))[:3]
            text.append(f".TP\n\\fB{plain(key.strip().rstrip('`'))}\\fR\n")
            said = _markdown(meaning.strip())
            known = f" [{_markdown(default.strip())}]" if default.strip() else ""
            text.append(_line(f"{said}{known}"))
        names = ",\n".join((rf"\fBlimpet\-{role}\fR(1)", r"\fBlimpet\fR(1)"))
        text.append(f".SH SEE ALSO\n{names}\n")
        yield f"limpet-{role}.yaml.5", "".join(text)


def _head(name: str, section: int, about: str) -> str:
    title = f'.TH "{plain(name.upper())}" "{section}" "" "limpet {plain(__version__)}" "limpet"\n'
    # Text flush left, and no hyphens: commands are copied from here.
    return f"{title}.ad l\n.nh\n.SH NAME\n{plain(name)} \\- {plain(about)}\n"


def _entry(label: str, text: str) -> str:
    return f".TP\n\\fB{plain(label)}\\fR\n{_line(_quoted(text))}"


def _paragraphs(text: str) -> str:
    """Turn click's text into roff: paragraphs are filled, those marked stay as they are."""
    parts = []
    for paragraph in re.split(r"\n\s*\n", text.strip("\n").replace("\f", "")):
        lines = paragraph.splitlines()
        if lines and lines[0].strip() == UNBROKEN:
            kept = "\n".join(_line(_quoted(each)).rstrip("\n") for each in lines[1:])
            parts.append(f".PP\n.nf\n{kept}\n.fi\n")
        elif lines:
            parts.append(f".PP\n{_line(_quoted(' '.join(each.strip() for each in lines)))}")
    return "".join(parts)


def _markdown_paragraphs(text: str) -> str:
    parts = []
    for paragraph in re.split(r"\n\s*\n", text.strip("\n")):
        lines = paragraph.splitlines()
        if all(each.startswith("    ") for each in lines):
            parts.append(".PP\n.nf\n" + "".join(_line(plain(each)) for each in lines) + ".fi\n")
        else:
            parts.append(f".PP\n{_line(_markdown(' '.join(lines)))}")
    return "".join(parts)


def _markdown(text: str) -> str:
    """Turn a line of our documents into roff: code is bold, links are their text."""
    text = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text.replace(r"\|", "|"))
    return _quoted(re.sub(r"\*([^* `]+)\*", r"\1", text))


def _quoted(text: str) -> str:
    """Set what stands between backquotes in bold."""
    parts = re.split(r"`([^`\n]+)`", text)
    return "".join(rf"\fB{plain(p)}\fR" if i % 2 else plain(p) for i, p in enumerate(parts))


def _line(text: str) -> str:
    """Give a line of text that roff can't take for a request."""
    return (r"\&" if text[:1] in (".", "'") else "") + text + "\n"


def plain(text: str) -> str:
    """Escape everything that roff would read as its own; other alphabets as numbers."""
    marked = "".join(_SPECIAL.get(each, each) for each in text)
    return "".join(each if each < "\x7f" else rf"\[u{ord(each):04X}]" for each in marked)


def main() -> None:
    """Write the pages into a directory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--configuration", type=Path, default=CONFIGURATION)
    given = parser.parse_args()
    given.directory.mkdir(parents=True, exist_ok=True)
    made = [*pages(), *configuration_pages(given.configuration.read_text(encoding="utf-8"))]
    for name, text in made:
        (given.directory / name).write_text(text, encoding="ascii")


if __name__ == "__main__":
    main()
