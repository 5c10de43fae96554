"""One rendering: from a minion's question to the body that it is answered with.

Runs in a process of its own, forked from the workshop. Everything that can go wrong in pillar is an
error in the body.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec

from limpet.common.errors import LimpetError
from limpet.master.pillar.line import Render, Rendered, Setup, Wanted
from limpet.states.compiler.compile import Compilation, Minion
from limpet.states.compiler.functions import ContextFunctions
from limpet.states.compiler.options import salt_options
from limpet.states.compiler.settings import CompilerSettings, language_of
from limpet.states.context import FunctionContext, Places
from limpet.states.fileroots.directories import DirectoryRoots
from limpet.states.host.machine import ThisMachine
from limpet.states.pillar import job
from limpet.states.pillar.body import encode_pillar
from limpet.states.pillar.compile import Pillar
from limpet.states.pillar.secrets import Masker
from limpet.states.sls.errors import RenderError
from limpet.states.sls.jinja.calls import Functions

PROBLEMS_MAX: Final = 20
PROBLEM_CHARACTERS_MAX: Final = 1000

_wanted_decoder: Final[msgspec.msgpack.Decoder[Wanted]] = msgspec.msgpack.Decoder(Wanted)


def render(setup: Setup, asked: Render, on_file: Callable[[str], None]) -> Rendered:
    """Render a minion's pillar. `on_file` is told the path of each file before it is rendered."""
    try:
        wanted = _wanted(asked.arguments)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        text = f"the minion's question for its pillar can't be read: {error}"
        return failed(asked, text)
    pillar = Pillar({})
    try:
        pillar = _compilation(setup, asked.minion, wanted, on_file).pillar
        pillar.language = language_of(setup.configuration)
        body = encode_pillar(pillar)
    except LimpetError as error:
        return failed(asked, str(error))
    if len(body) > setup.body_bytes_max:
        return failed(
            asked, f"the pillar has {len(body)} bytes; {setup.body_bytes_max} are allowed"
        )
    is_usual = wanted.is_usual and not wanted.override
    problems = _problems(asked.minion, pillar)
    digest = hashlib.sha256(body).hexdigest()
    return Rendered(asked.number, body, digest, is_usual, bool(pillar.errors), problems)


def failed(asked: Render, text: str) -> Rendered:
    """Answer with a pillar that holds nothing but an error."""
    told = f"Pillar of {asked.minion}: {text}"
    body = encode_pillar(Pillar({}, [told]))
    digest = hashlib.sha256(body).hexdigest()
    return Rendered(asked.number, body, digest, False, True, (told[:PROBLEM_CHARACTERS_MAX],))


def _wanted(arguments: bytes) -> Wanted:
    wanted = _wanted_decoder.decode(arguments)
    if not wanted.grains_json:
        return wanted
    grains = msgspec.json.decode(wanted.grains_json, type=dict[str, Any])
    return msgspec.structs.replace(wanted, grains=grains)


def _problems(minion: str, pillar: Pillar) -> tuple[str, ...]:
    """Say what went wrong, for the log: with places, without the lines of files around them."""
    masker: Masker = pillar.masker
    placed = [
        f"{each.path}:{each.line or 1}: {each.problem if isinstance(each, RenderError) else each}"
        for each in pillar.problems
    ]
    lines = [*placed, *(each for each in pillar.errors if each not in pillar.places)]
    return tuple(
        masker.text(f"pillar of {minion}: {line}")[:PROBLEM_CHARACTERS_MAX]
        for line in lines[:PROBLEMS_MAX]
    )


def _compilation(
    setup: Setup, minion: str, wanted: Wanted, on_file: Callable[[str], None]
) -> Compilation:
    configuration = setup.configuration
    grains = {**wanted.grains, "id": minion}
    host = ThisMachine()
    work = Path(setup.work_directory)
    context = FunctionContext(
        minion_id=minion,
        host=host,
        places=Places(Path(setup.configuration_file), work / "grains", work),
        configuration=configuration,
        load_grains=lambda _context: grains,
        pillar={},
        is_published=False,
        kept=job.compiling(),
    )
    file_roots, pillar_roots = (
        _roots(configuration, key) for key in ("file_roots", "pillar_roots")
    )

    def functions(pillar: Mapping[str, Any]) -> Functions:
        return ContextFunctions(replace(context, pillar=pillar))

    options = salt_options(
        configuration,
        minion_id=minion,
        file_roots=file_roots,
        pillar_roots=pillar_roots,
        cache_directory=setup.work_directory,
        is_local=True,
        saltenv=wanted.saltenv,
        pillarenv=wanted.pillarenv,
        grains=grains,
    )
    return Compilation(
        Minion(
            minion_id=minion,
            grains=grains,
            file_roots=DirectoryRoots(file_roots),
            pillar_roots=DirectoryRoots(pillar_roots),
            functions=functions,
            options={**options, "__role": "master", "__cli": "salt-master"},
            settings=CompilerSettings.of(configuration),
            host=host,
            on_pillar_file=on_file,
        ),
        saltenv=wanted.saltenv,
        pillarenv=wanted.pillarenv,
        pillar_override=wanted.override,
    )


def _roots(configuration: Mapping[str, Any], key: str) -> dict[str, list[str]]:
    return {name: list(paths) for name, paths in (configuration.get(key) or {}).items()}
