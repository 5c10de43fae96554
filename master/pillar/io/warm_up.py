"""Rendering once before any process is forked, so that none of them has to begin from nothing.

What is rendered is the text below, none of the administrator's. It fills what the libraries work
out at first use (Jinja's lexer, regular expressions, Python's own shortcuts): a fifth of what a
single pillar costs.
"""

import codecs
import gc
from typing import Final

from limpet.states.compiler.compile import Compilation
from limpet.states.compiler.minion import Minion
from limpet.states.fileroots.port import SourceFile
from limpet.states.functions import registry
from limpet.states.pillar.body import encode_pillar
from limpet.states.sls.jinja.calls import NoFunctions
from limpet.states.sls.renderers import registry as renderers

_FILES: Final = {
    "top.sls": b"base:\n  '*':\n    - sample\n  'G@os:none':\n    - other\n",
    "sample.sls": b"""{% import_yaml 'map.yaml' as map %}
{% set name = grains.get('id', 'none') | lower %}
{% if name != 'x' and map.a %}
sample:
{% for key, value in map.items() %}
  {{ key }}: {{ value | json }}
{% endfor %}
  list: [1, two, 3.5, true]
{% else %}
none: {}
{% endif %}
""",
    "map.yaml": b"a: 1\nb: [x, 'y']\nc: {d: e}\n",
}


class _Sample:
    """File roots with nothing but the sample."""

    def environments(self) -> list[str]:
        return ["base"]

    def read(self, path: str, environment: str) -> SourceFile | None:
        content = _FILES.get(path)
        return None if content is None else SourceFile(path, f"/sample/{path}", content)

    def exists(self, path: str, environment: str) -> bool:
        return path in _FILES

    def files(self, environment: str) -> list[str]:
        return sorted(_FILES)


def warm_up() -> None:
    """Import what renderings need, render, and keep the garbage collector off the shared pages."""
    for module in ("cmd", "grains", "pillar", "slsutil"):
        registry.functions_of(module)
    for name in renderers.NAMES:
        renderers.find(name)
    for encoding in ("utf-8-sig", "unicode_escape"):
        codecs.lookup(encoding)
    for _ in range(2):
        roots = _Sample()
        minion = Minion(
            minion_id="sample",
            grains={"id": "sample", "os": "sample"},
            file_roots=roots,
            pillar_roots=roots,
            functions=lambda _pillar: NoFunctions(),
        )
        pillar = Compilation(minion).pillar
        assert not pillar.errors, pillar.errors
        encode_pillar(pillar)
    gc.collect()
    gc.freeze()
