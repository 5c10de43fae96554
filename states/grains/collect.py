"""The minion's grains child: `python -I -m limpet.states.grains.collect --root DIR`.

Prints one JSON object on stdout, at most 64 KiB, and ends; whatever hangs has a limit of its own,
so the whole takes some seconds at most. Without `--root` the system's places are meant.
"""

import argparse
import os
import sys
from collections.abc import Mapping
from typing import Any

import msgspec

from limpet.common.errors import LimpetError
from limpet.common.messages.fields import GRAINS_BYTES_MAX
from limpet.common.service.paths import Roots
from limpet.states.context import FunctionContext, Places
from limpet.states.custom import using
from limpet.states.grains.collectors import PROBLEMS
from limpet.states.grains.loading import all_facts, keep, with_own
from limpet.states.host.machine import ThisMachine
from limpet.states.local.identity import minion_id_of

_LEFT_OUT_FIRST = ("kernelparams", "cpu_flags", "pythonpath", "systempath", "ip_interfaces")
"""What is given up, in this order and then by size, where all of it is over the limit."""


def main() -> None:
    """Collect and print. Ends by `os._exit`: a thread that hangs in the kernel must not hold it."""
    parser = argparse.ArgumentParser(prog="limpet.states.grains.collect")
    parser.add_argument("--root", help="the minion's root directory")
    parser.add_argument("--id", default="", help="the minion's id")
    options = parser.parse_args()
    try:
        body = run(options.root, options.id)
    except LimpetError as error:
        sys.stderr.write(f"{error}\n")
        sys.stderr.flush()
        os._exit(int(error.exit_code))
    sys.stdout.buffer.write(body)
    sys.stdout.buffer.flush()
    os._exit(0)


def run(root: str | None, minion_id: str) -> bytes:
    """Give the JSON of all grains of the minion at that root. Raises `LimpetError`."""
    from limpet.common.settings.minion import load_minion

    roots = Roots.locate("minion", root)
    settings = load_minion(roots)
    configuration = msgspec.to_builtins(settings)
    places = Places.of(roots)
    host = ThisMachine()
    name = minion_id or minion_id_of(roots, settings)
    context = FunctionContext(minion_id=name, host=host, places=places, configuration=configuration)
    using.use(places, configuration)
    facts = all_facts(context, os.getppid())
    keep(context, facts)
    return fit(with_own(facts, places, configuration), GRAINS_BYTES_MAX)


def fit(grains: Mapping[str, Any], bytes_max: int) -> bytes:
    """Encode the grains; those that don't fit are left out and named in `grains_problems`."""
    shown = dict(grains)
    dropped: list[str] = []
    while True:
        body = msgspec.json.encode(shown, enc_hook=str)
        if len(body) <= bytes_max:
            return body
        sizes = {key: len(msgspec.json.encode(value, enc_hook=str)) for key, value in shown.items()}
        first = [key for key in _LEFT_OUT_FIRST if key in shown]
        key = first[0] if first else max(sizes, key=lambda each: sizes[each])
        del shown[key]
        dropped.append(key)
        problems = {**grains.get(PROBLEMS, {}), "too large": ", ".join(dropped)[:1000]}
        shown[PROBLEMS] = problems


if __name__ == "__main__":
    main()
