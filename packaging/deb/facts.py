"""What control files say: who maintains it, which was before, what it reads and speaks (asked)."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deb.interpreter import PYTHON
from deb.programs import run

MAINTAINER: Final = "limpet maintainers <maintainers@limpet.invalid>"
"""The same whoever builds them, and on whatever machine; no mail goes there."""
RELEASED_STORE_SCHEMAS: Final = {"0.1.0": 1}
"""Store schema of each release; a line is added with each that raises it."""

_QUESTION: Final = """
import json
from limpet.common.messages.fields import PROTOCOL_MAX, PROTOCOL_MIN
from limpet.master.store.schema import MIGRATIONS
from limpet.minion.journal.format import MAGIC
journal = int(MAGIC.decode().rpartition("-")[2])
print(json.dumps([len(MIGRATIONS), journal, PROTOCOL_MIN, PROTOCOL_MAX]))
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """Numbers that decide which versions can follow which."""

    store_schema: int
    journal_format: int
    protocol_min: int
    protocol_max: int


def ask(payload: Path) -> Facts:
    """Ask the program in a payload. Raises `BuildError` if it can't even be imported."""
    said = run(payload / "bin" / f"python{PYTHON}", "-I", "-B", "-c", _QUESTION, deadline_s=60)
    return Facts(*json.loads(said))


def first_of_schema(facts: Facts, base_version: str) -> str:
    """Give the lowest version that reads the store of these facts."""
    same = [name for name, schema in RELEASED_STORE_SCHEMAS.items() if schema >= facts.store_schema]
    return min([*same, base_version], key=lambda name: [int(word) for word in name.split(".")])
