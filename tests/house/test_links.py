"""Links of our pages lead to files that are there, and to headings that stand in them."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")


def pages() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=20,
    )  # fmt: skip
    named = [ROOT / line for line in listed.stdout.splitlines()]
    return named or [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("packaging/**/*.md"),
    ]


def without_code(text: str) -> str:
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(text: str) -> set[str]:
    """Give the names of headings, as they are made of their words."""
    found = set()
    for heading in re.findall(r"^#+ +(.*)$", text, re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", heading.strip().lower())
        found.add(words.replace(" ", "-"))
    return found


def broken(page: Path) -> Iterator[str]:
    for link in LINK.findall(without_code(page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = page if not name else page.parent / name
        if not target.exists():
            yield f"{page.name}: {link}: no such file"
        elif anchor and anchor not in anchors(target.read_text(encoding="utf-8")):
            yield f"{page.name}: {link}: no such heading"


def test_all_links_lead_somewhere() -> None:
    looked_at = pages()
    assert len(looked_at) > 15
    assert [each for page in looked_at if page.exists() for each in broken(page)] == []


def test_every_page_of_docs_can_be_reached_from_readme() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop().resolve()
        if page in seen or page.suffix != ".md" or not page.exists():
            continue
        seen.add(page)
        for link in LINK.findall(page.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:", link):
                waiting.append(page.parent / link.partition("#")[0])
    lost = [each.name for each in (ROOT / "docs").glob("*.md") if each.resolve() not in seen]
    assert lost == []


@pytest.mark.parametrize("link", ["gone.md", "here.md#no-such", "#none"])
def test_a_link_that_leads_nowhere_is_noticed(link: str, tmp_path: Path) -> None:
    page = tmp_path / "here.md"
    page.write_text(f"# Here it is\n[x]({link}) [y](#here-it-is) `[z](not-a-link)`\n")
    assert [each.split(": ")[1] for each in broken(page)] == [link]
