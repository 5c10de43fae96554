"""The page of configuration lists every key, and no other."""

import re
from pathlib import Path

import pytest

from limpet.common.settings.loader import Configuration
from limpet.common.settings.master import MasterConfiguration
from limpet.common.settings.minion import MinionConfiguration

PAGE = Path(__file__).parents[4] / "docs" / "configuration.md"


@pytest.mark.covers("J6")
@pytest.mark.parametrize(
    "heading, kind", [("master.yaml", MasterConfiguration), ("minion.yaml", MinionConfiguration)]
)
def test_the_page_lists_every_key_and_no_other(heading: str, kind: type[Configuration]) -> None:
    section = PAGE.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    listed = re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)
    assert sorted(listed) == sorted(kind.__struct_encode_fields__)
