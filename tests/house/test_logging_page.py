"""docs/logging.md says which fields and topics records have; the code is where they come from."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from limpet.common.observability.journal import field_name
from limpet.common.observability.logs import MINION_TOPICS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "logging.md"
SPEAKING = ("debug", "info", "warning", "error", "critical", "report")
EVENTS = ("Event", "job_event", "return_event", "minion_event", "master_event", "key_event")


def trees() -> Iterator[ast.Module]:
    for room in ("common", "master", "minion"):
        for path in sorted((ROOT / room).rglob("*.py")):
            # These print, or tell a client, and do not log.
            if {"commands", "client", "client.py"} & set(path.parts):
                continue
            if path.parts[-2:] == ("control", "reply_queue.py"):
                continue
            yield ast.parse(path.read_text(encoding="utf-8"))


def name_of(call: ast.Call) -> tuple[str, str]:
    """Give what is called and on what: `("report", "log")` for `self._log.report(…)`."""
    function = call.func
    if isinstance(function, ast.Name):
        return function.id, ""
    if isinstance(function, ast.Attribute):
        return function.attr, ast.unparse(function.value).rpartition(".")[2].lstrip("_")
    return "", ""


def fields_used(trees: Iterator[ast.Module]) -> set[str]:
    """Give the names of all fields of records, and of the data of events."""
    found = set()
    for tree in trees:
        calls = {name_of(node)[0] for node in ast.walk(tree) if isinstance(node, ast.Call)}
        named = {"marks", "fields", *(("data",) if calls & set(EVENTS) else ())}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name, on = name_of(node)
                is_spoken = name in SPEAKING and on in ("log", "self")
                if is_spoken or name in EVENTS:
                    found |= {word.arg for word in node.keywords if word.arg is not None}
                if name in EVENTS or (name == "write" and on in ("log", "self")):
                    found |= keys_in(node.args)
                if name == "update" and on == "marks":
                    found |= {word.arg for word in node.keywords if word.arg is not None}
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                if isinstance(target, ast.Name) and target.id in named:
                    found |= keys_in([node.value])
                if isinstance(target, ast.Subscript) and ast.unparse(target.value) == "marks":
                    found |= {ast.literal_eval(target.slice)}
    return {field_name(name) for name in found}


def topics_used(trees: Iterator[ast.Module]) -> set[str]:
    """Give the kinds of all topics: their first words."""
    found = set()
    for tree in trees:
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name, on = name_of(node)
            place = 0 if on == "outbox" and name in SPEAKING else 1
            is_topic = on == "outbox" or name in ("report", "Report")
            if is_topic and len(node.args) > place and name in (*SPEAKING, "Report"):
                found.add(kind_of(node.args[place]))
    return found - {""}


def kind_of(topic: ast.expr) -> str:
    """Give the first word of a topic; what is only known later is `…`; '' is handed on."""
    if isinstance(topic, ast.Constant):
        return str(topic.value).split(" ")[0]
    if isinstance(topic, ast.JoinedStr):
        parts = (
            str(part.value) if isinstance(part, ast.Constant) else "…" for part in topic.values
        )
        return "".join(parts).split(" ")[0]
    return ""


def rows_of(heading: str) -> set[str]:
    """Give the names in the first column of the table below a heading of the page."""
    text = PAGE.read_text(encoding="utf-8")
    part = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    cells = re.findall(r"^\| (`[^|]*`) \|", part, re.MULTILINE)
    assert len(set(cells)) == len(cells), "a row stands there twice"
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def test_the_page_has_each_field_and_no_other() -> None:
    assert rows_of("Fields") == fields_used(trees())


def test_the_page_has_each_topic_and_no_other() -> None:
    assert rows_of("Topics") == topics_used(trees())


def test_topics_about_a_minion_are_those_whose_second_word_is_one() -> None:
    """What `marks_of` takes for a minion is one: the master's own topics say it in their code."""
    about_minions = set()
    for path in sorted((ROOT / "master").rglob("*.py")):
        found = re.findall(
            r"""f"([a-z.]+) \{(?:row\.|minion\.|each\.)?(?:minion|name)\}""",
            path.read_text(encoding="utf-8"),
        )
        about_minions |= {kind for kind in found if kind in topics_used(trees())}
    assert about_minions == MINION_TOPICS


def test_the_collectors_see_what_they_are_for() -> None:
    code = ast.parse(
        "self._log.warning('text', commit_ms=1)\n"
        "turn.report('error', f'slow {name}', 'text', why=2)\n"
        "self._outbox.info('pending', 'text')\n"
        "minion_event(a, 'lost', at, reason='x')\n"
        "marks: dict[str, object] = {'event': tag}\n"
    )
    assert fields_used(iter([code])) == {"LIMPET_COMMIT_MS", "LIMPET_REASON", "LIMPET_EVENT"}
    assert topics_used(iter([code])) == {"slow", "pending"}


def keys_in(nodes: list[ast.expr]) -> set[str]:
    return {
        key.value
        for node in nodes
        for each in ([node] if isinstance(node, ast.Dict) else [])
        for key in each.keys
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }
