"""The facts of made-up hosts, drawn from templates: the same host always has the same ones.

A template is a mapping as `limpet run '*' grains.items` shows it. In its texts `{id}`, `{number}`
and `{address}` are the host's own; `{one_of: [a, b]}` is one of the values, `{between: [1, 64]}` a
whole number, both ends included.
"""

import hashlib
import json
import random
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from limpet.common.errors import UsageError
from limpet.common.messages.fields import GRAINS_BYTES_MAX
from limpet.common.settings.source import Source, Value, read_source

TEMPLATES_MAX: Final = 1_000
_json: Final = json.JSONEncoder(separators=(",", ":"))


class Template(msgspec.Struct, frozen=True):
    """One kind of host, and how often it is drawn."""

    grains: dict[str, Any]
    weight: float = 1.0


_HOST: Final[dict[str, Any]] = {
    "kernel": "Linux",
    "osarch": {"one_of": ["amd64", "arm64"]},
    "host": "{id}",
    "fqdn": "{id}.swarm.example",
    "domain": "swarm.example",
    "ipv4": ["127.0.0.1", "{address}"],
    "num_cpus": {"one_of": [2, 4, 8, 16, 64]},
    "mem_total": {"between": [1024, 262144]},
    "virtual": {"one_of": ["kvm", "physical", "container"]},
    "roles": [{"one_of": ["web", "db", "cache", "queue"]}],
    "site": {"one_of": ["ams", "fra", "sin", "iad"]},
}
USUAL: Final = tuple(
    Template({"os": os, "os_family": family, "osrelease": {"one_of": releases}, **_HOST}, weight)
    for os, family, releases, weight in (
        ("Debian", "Debian", ["12", "13"], 2.0),
        ("Ubuntu", "Debian", ["22.04", "24.04"], 2.0),
        ("Rocky", "RedHat", ["8.10", "9.4"], 1.0),
    )
)
"""What is drawn from without a file."""


class MadeGrains(NamedTuple):
    """The facts as a minion sends them."""

    body: bytes
    digest: str


def read_templates(text: bytes, name: str) -> tuple[Template, ...]:
    """Read a file: one mapping of grains, or `templates:` with a list of `grains` and `weight`.

    Raises `SourceError` naming the line, also where a template makes no grains that can be sent.
    """
    source = read_source(text, name)
    data = source.data
    if not isinstance(data, dict) or not data:
        raise source.error("a mapping of grains is expected, or a list `templates`")
    listed = data.get("templates")
    if isinstance(listed, list) and len(data) == 1:
        if not 0 < len(listed) <= TEMPLATES_MAX:
            raise source.error(f"1 to {TEMPLATES_MAX} templates are expected", ("templates",))
        found = tuple(_template(source, each, index) for index, each in enumerate(listed))
    else:
        found = (Template(data),)
    for each in found:
        _try(source, each)
    return found


def grains_of(templates: Sequence[Template], minion_id: str, number: int, seed: int) -> MadeGrains:
    """Draw a template for a host and fill it in. The template is known to be right."""
    chance = random.Random(f"{seed}/{minion_id}")  # noqa: S311 - nothing secret is drawn
    template = chance.choices(templates, [each.weight for each in templates])[0]
    return _filled(template, minion_id, number, chance)


def _template(source: Source, value: Value, index: int) -> Template:
    path = ("templates", index)
    if not isinstance(value, dict) or not isinstance(value.get("grains"), dict):
        raise source.error("a template has `grains`, a mapping, and may have `weight`", path)
    odd = set(value) - {"grains", "weight"}
    if odd:
        raise source.error(f"a template has no key {min(odd)!a}", path)
    weight = value.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < 1e9:
        raise source.error("a weight is a number above 0", (*path, "weight"))
    grains = value["grains"]
    assert isinstance(grains, dict)
    return Template(grains, float(weight))


def _try(source: Source, template: Template) -> None:
    try:
        made = _filled(template, "swarm-00001", 1, random.Random(1))  # noqa: S311 - a trial
    except UsageError as error:
        raise source.error(str(error)) from error
    if len(made.body) > GRAINS_BYTES_MAX:
        raise source.error(f"{len(made.body)} bytes of grains; {GRAINS_BYTES_MAX} can be sent")


def _filled(template: Template, minion_id: str, number: int, chance: random.Random) -> MadeGrains:
    address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    words = {"{id}": minion_id, "{number}": str(number), "{address}": address}
    data = _fill(template.grains, words, chance)
    assert isinstance(data, dict)
    body = _json.encode({"id": minion_id, **data}).encode()
    return MadeGrains(body, hashlib.sha256(body).hexdigest())


def _fill(value: Any, words: dict[str, str], chance: random.Random) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        if "{" in value:
            for word, text in words.items():
                value = value.replace(word, text)
        return value
    if isinstance(value, list):
        return [_fill(each, words, chance) for each in value]
    if not isinstance(value, dict):
        return value
    is_single = len(value) == 1
    if is_single and "one_of" in value:
        choices = value["one_of"]
        if not isinstance(choices, list) or not choices:
            raise UsageError("`one_of` has a list of values")
        return _fill(chance.choice(choices), words, chance)
    if is_single and "between" in value:
        ends = value["between"]
        is_pair = isinstance(ends, list) and len(ends) == 2
        if not is_pair or not all(type(each) is int for each in ends) or ends[0] > ends[1]:
            raise UsageError("`between` has two whole numbers, the smaller first")
        return chance.randint(*ends)
    return {str(key): _fill(each, words, chance) for key, each in value.items()}
