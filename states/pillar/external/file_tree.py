"""`file_tree`: files below a directory; their paths become keys, their contents values.

ext_pillar:
  - file_tree:
      root_dir: /srv/tree          hosts/ID/… and nodegroups/NAME/…
      follow_dir_links: false      links to directories are empty mappings, unless this is true
      keep_newline: false          the last line end is cut off; true, or a list of globs, keeps it
      template: false              files are rendered, by their first line or by `render_default`
      render_default: jinja

Contents that are UTF-8 are text, others stay bytes.
"""

import fnmatch
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from limpet.common.errors import HostError
from limpet.states.pillar.external.source import Asked
from limpet.states.pillar.merging import update
from limpet.states.ports.file_system import FileSystem

FILE_BYTES_MAX: Final = 4 * 1024 * 1024
FILES_MAX: Final = 10_000
DEPTH_MAX: Final = 32

Wanted = bool | Sequence[str]
"""For all files, for none, or for those whose path fits one of these globs."""


def ext_pillar(
    asked: Asked,
    root_dir: str = "",
    follow_dir_links: bool = False,
    debug: bool = False,
    raw_data: Any = None,  # noqa: ANN401 - the old name of `keep_newline`
    keep_newline: Wanted = False,
    render_default: str | None = None,
    renderer_blacklist: Sequence[str] | None = None,
    renderer_whitelist: Sequence[str] | None = None,
    template: Wanted = False,
) -> Mapping[str, Any]:
    """Give the trees of the minion's node groups, with its own laid over them.

    Raises `HostError` for a root that is no directory and for files that can't be read.
    """
    if not root_dir:
        raise HostError("root_dir is not set")
    root = str(root_dir).replace("%s", asked.minion_id)
    files = asked.host.file_system
    facts = files.facts(root, is_following=True)
    if facts is None or facts.kind != "directory":
        raise HostError(f"root_dir {root} is not a directory")
    reading = _Reading(
        asked,
        files,
        bool(follow_dir_links),
        _wanted(keep_newline if raw_data is None else raw_data),
        _wanted(template),
        render_default or "jinja",
    )
    found: dict[str, Any] = {}
    groups = os.path.join(root, "nodegroups")
    if files.facts(groups, is_following=True) is not None:
        for name in asked.nodegroups():
            # A name from the configuration: it must not lead elsewhere either.
            if "/" not in name and name not in (".", ".."):
                update(found, reading.tree(os.path.join(groups, name)))
    return update(found, reading.tree(os.path.join(root, "hosts", asked.minion_id)))  # type: ignore[no-any-return]


def _wanted(value: Any) -> Wanted:  # noqa: ANN401
    return [str(each) for each in value] if isinstance(value, list | tuple) else bool(value)


def _is_wanted(wanted: Wanted, path: str) -> bool:
    if isinstance(wanted, bool):
        return wanted
    return any(fnmatch.fnmatch(path, each) for each in wanted)


@dataclass(slots=True)
class _Reading:
    """One reading of all trees of a minion, with a budget."""

    asked: Asked
    files: FileSystem
    is_following: bool
    keeps_line_end: Wanted
    is_template: Wanted
    renderers: str
    count: int = 0

    def tree(self, top: str) -> dict[str, Any]:
        """Read a tree; none there is an empty one."""
        facts = self.files.facts(top, is_following=True)
        if facts is None or facts.kind != "directory":
            return {}
        return self._directory(top, "", frozenset((self.files.real_path(top),)))

    def _directory(self, top: str, inside: str, above: frozenset[str]) -> dict[str, Any]:
        if len(above) > DEPTH_MAX:
            raise HostError(f"{top}/{inside}: more than {DEPTH_MAX} directories in each other")
        found: dict[str, Any] = {}
        for name in self.files.names(os.path.join(top, inside)):
            path = f"{inside}/{name}" if inside else name
            self.count += 1
            if self.count > FILES_MAX:
                raise HostError(f"{top}: more than {FILES_MAX} files")
            full = os.path.join(top, path)
            facts = self.files.facts(full, is_following=True)
            if facts is None:
                continue  # a link that leads nowhere, or a file that has gone
            if facts.kind == "directory":
                found[name] = self._below(top, path, above)
            elif facts.kind == "file":
                found[name] = self._content(full, path)
        return found

    def _below(self, top: str, path: str, above: frozenset[str]) -> dict[str, Any]:
        full = os.path.join(top, path)
        real = self.files.real_path(full)
        own = self.files.facts(full)
        is_link = own is not None and own.kind == "link"
        if is_link and (not self.is_following or real in above):
            return {}
        return self._directory(top, path, above | {real})

    def _content(self, full: str, path: str) -> Any:  # noqa: ANN401
        data = self.files.read(full, bytes_max=FILE_BYTES_MAX)
        if data.endswith(b"\n") and not _is_wanted(self.keeps_line_end, path):
            data = data[:-1]
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return data
        if _is_wanted(self.is_template, path):
            return self.asked.render(text, self.renderers, full)
        return text
