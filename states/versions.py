"""The versions of limpet and of what it stands on, for bug reports."""

from limpet import __version__
from limpet.states.context import FunctionContext

_LIBRARIES = (
    "cffi",
    "click",
    "cryptography",
    "distro",
    "Jinja2",
    "MarkupSafe",
    "msgspec",
    "psutil",
    "PyYAML",
    "pyzmq",
    "rich",
)


def information(context: FunctionContext) -> dict[str, dict[str, str | None]]:
    """Give the versions by group; None for a library that is not installed."""
    from importlib import (
        metadata,
    )  # costs more than all functions together, and is rarely asked for

    uname = context.host.system.uname()
    libraries: dict[str, str | None] = {}
    for name in _LIBRARIES:
        try:
            libraries[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            libraries[name] = None
    facts = context.host.system.facts()
    return {
        "Limpet Version": {"Limpet": __version__},
        "Python Version": {"Python": str(facts["version"])},
        "Dependency Versions": libraries,
        "System Versions": {
            "dist": " ".join(
                str(context.grains.get(each, "")) for each in ("os", "osrelease", "oscodename")
            ).strip(),
            "machine": uname["machine"],
            "release": uname["release"],
            "system": uname["system"],
        },
    }


def report(context: FunctionContext) -> str:
    """Give the versions as aligned lines of text."""
    lines: list[str] = []
    for group, entries in information(context).items():
        lines.append(f"{group}:")
        width = max(len(name) for name in entries)
        lines += [
            f"  {name:>{width}}: {value or 'not installed'}" for name, value in entries.items()
        ]
        lines.append("")
    return "\n".join(lines)
