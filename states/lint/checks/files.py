"""What can be said of files before they are read as templates: bytes, line ends, names, links."""

import ast
import os
from collections.abc import Mapping

from limpet.states.fileroots.names import candidates, sls_of
from limpet.states.lint.findings import Report

_LINKS_MAX = 1000


def text_of(content: bytes, file: str, report: Report) -> str | None:
    """Give the text of a file; None (and a finding) where it is none."""
    if b"\0" in content:
        line = content[: content.index(b"\0")].count(b"\n") + 1
        report.add("encoding", "the file holds binary data (a null byte)", file, line)
        return None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        report.add(
            "encoding",
            f"the file is not UTF-8 (byte {content[error.start]:#04x})",
            file,
            line,
            column,
            hint="it may be Latin-1; convert it",
        )
        return None
    if text.startswith("\ufeff"):
        report.add("byte-order-mark", "the file begins with a byte order mark", file, 1, 1)
        text = text[1:]
    crlf = text.count("\r\n")
    if crlf and crlf != text.count("\n"):
        mixed = next(
            number
            for number, line in enumerate(text.split("\n"), 1)
            if line.endswith("\r") != text.split("\n")[0].endswith("\r")
        )
        report.add("line-ends", "lines end in CR LF and in LF", file, mixed)
    return text


def check_tabs(text: str, file: str, report: Report) -> bool:
    """Tell of tabs that indent, in text that is read as YAML; say whether there are any."""
    found = False
    depth_in_block = False
    for number, line in enumerate(text.split("\n"), 1):
        head = line[: len(line) - len(line.lstrip(" \t"))]
        depth_in_block = depth_in_block or line.rstrip().endswith(("|", ">", "|-", ">-", "|+"))
        if "\t" in head and line.strip() and not line.lstrip().startswith(("#", "{%", "{#", "{{")):
            if depth_in_block:
                continue
            report.add(
                "tab-indentation",
                "a tab indents the line; YAML allows only blanks",
                file,
                number,
                head.index("\t") + 1,
            )
            found = True
    return found


def check_python(text: str, file: str, report: Report) -> None:
    """Tell of a `#!py` file that is no Python, or that has no function `run`."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        report.add("python", f"the file is no Python: {error}", file, line)
        return
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    names |= {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    if "run" not in names:
        report.add("python", "a `#!py` file defines a function `run()`", file, 1)


def check_names(paths: Mapping[str, str], report: Report) -> None:
    """Tell of SLS that no name reaches. `paths`: the root of each path."""
    for path, root in paths.items():
        sls = sls_of(path)
        if sls is None or path in ("top.sls",):
            continue
        first, second = candidates(sls)
        if path not in (first, second):
            dotted = next(part for part in path.removesuffix(".sls").split("/") if "." in part)
            report.add(
                "unreachable-sls",
                f"no SLS name reaches this file: '{dotted}' has a dot, which stands for a folder",
                f"{root}/{path}",
            )
        elif path == second and first in paths:
            report.add(
                "shadowed-sls",
                f"'{first}' hides this file: both are the SLS '{sls}'",
                f"{root}/{path}",
            )


def check_links(root: str, report: Report) -> None:
    """Tell of links below a root that lead to nothing, in a circle, or out of it."""
    real_root = os.path.realpath(root)
    count = 0
    for folder, folders, files in os.walk(root):
        folders[:] = [each for each in folders if each != ".git"]
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            if not os.path.islink(path):
                continue
            count += 1
            if count > _LINKS_MAX:
                return
            target = os.path.realpath(path)
            if not os.path.exists(path):
                is_loop = os.path.lexists(target)
                what = "leads in a circle" if is_loop else "leads to nothing"
                report.add("link-loop", f"the link {what} ({os.readlink(path)})", path)
            elif os.path.isdir(path) and f"{os.path.realpath(folder)}/".startswith(f"{target}/"):
                report.add("link-loop", "the link leads to a folder that it is in", path)
            elif not f"{target}/".startswith(f"{real_root}/"):
                report.add(
                    "link-loop",
                    "the link leads out of the file root, where nothing is read",
                    path,
                    severity="error",
                )
