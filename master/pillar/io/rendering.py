"""Renderings in one process: from minions' questions to the bodies that they are answered with.

Runs in a process that was forked from the fork server. Everything that can go wrong in pillar is an
error in the body.

Several minions may be served, one after the other, as long as nothing is left behind. Templates
run in Jinja's sandbox and call functions that only read: what they can change, the configuration
among it, is made anew for each minion. Other code can do anything to its process: `#!py`, all other
functions, sources of external pillar that run something. It runs where no other minion's pillar has
been rendered, and none is rendered after it.
"""

import hashlib
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec

from limpet.common.errors import LimpetError
from limpet.master.pillar.messages import Given, Render, Rendered, Setup, Wanted
from limpet.states.compiler.compile import Compilation
from limpet.states.compiler.functions import ContextFunctions
from limpet.states.compiler.minion import Minion
from limpet.states.compiler.options import salt_options
from limpet.states.compiler.settings import CompilerSettings, language_of
from limpet.states.context import FunctionContext, Places
from limpet.states.fileroots.directories import DirectoryRoots
from limpet.states.fileroots.kept import KeptRoots
from limpet.states.functions import registry
from limpet.states.host.machine import ThisMachine
from limpet.states.pillar import job
from limpet.states.pillar.body import encode_pillar
from limpet.states.pillar.compile import Pillar
from limpet.states.pillar.secrets import Masker
from limpet.states.sls.errors import RenderError
from limpet.states.sls.jinja.calls import Functions
from limpet.states.sls.kept import Kept

PROBLEMS_MAX: Final = 20
PROBLEM_CHARACTERS_MAX: Final = 1000
LOOK_S: Final = 0.1
"""How long files count as they were read: a tree that is being changed is not seen half old, half
new for longer."""
QUIET: Final = frozenset(
    f"{module}.{name}"
    for module, names in (
        ("config", "backup_mode dot_vals get items manage_mode merge option"),
        ("defaults", "deepcopy merge update"),
        ("grains", "equals fetch filter_by get has_value item items ls"),
        (
            "match",
            "compound filter_by glob grain grain_pcre ifelse ipcidr list pcre pillar pillar_pcre "
            "search_by",
        ),
        ("pillar", "data fetch filter_by get item items keys ls obfuscate raw"),
        ("slsutil", "banner boolstr deserialize merge merge_all serialize update"),
    )
    for name in names.split()
)
"""Functions that only look at what they are given, at grains, pillar and configuration: they leave
nothing behind in the process."""

_wanted_decoder: Final[msgspec.msgpack.Decoder[Wanted]] = msgspec.msgpack.Decoder(Wanted)
_setup_decoder: Final[msgspec.msgpack.Decoder[Setup]] = msgspec.msgpack.Decoder(Setup)


class Elsewhere(BaseException):
    """Raised where a pillar needs a process of its own; nothing of its own code has run.

    It is no `Exception`, so that nobody takes it for a mistake of the template's.
    """


class Renderings:
    """Renders the pillars of several minions, one after the other."""

    def __init__(
        self, setup: bytes, on_file: Callable[[str], None], on_foreign: Callable[[], None]
    ) -> None:
        """Go by a `Setup`, encoded. `on_file` is told each file before it is rendered.

        `on_foreign` is told before code runs that can do anything to this process.
        """
        self._setup = setup
        self._on_file = on_file
        self._on_foreign = on_foreign
        self._kept = Kept()
        self._roots: dict[str, KeptRoots] = {}
        self._looked_s = 0.0
        """When files began to be looked at, on the clock of `time.monotonic`."""
        self._count = 0
        self._is_foreign = False

    def render(self, given: Given) -> Rendered:
        """Render a minion's pillar. Raises `Elsewhere`; after that it is to be asked no more."""
        assert not self._is_foreign
        self._count += 1
        if self._count > 1:
            random.seed()
        setup = _setup_decoder.decode(self._setup)  # it may have been changed by a template
        asked = given.asked
        try:
            wanted = _wanted(asked.arguments)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return failed(asked, f"the minion's question for its pillar can't be read: {error}")
        if given.asked_s >= self._looked_s or time.monotonic() >= self._looked_s + LOOK_S:
            self._look_anew(setup.configuration)
        try:
            pillar = self._compilation(setup, asked.minion, wanted).pillar
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

    def _look_anew(self, configuration: Mapping[str, Any]) -> None:
        """Look at all files anew: a pillar is made of what they are after it was asked for."""
        self._looked_s = time.monotonic()
        self._roots = {
            key: KeptRoots(DirectoryRoots(_roots(configuration, key)))
            for key in ("file_roots", "pillar_roots")
        }

    def _before_foreign(self, _what: str) -> None:
        if self._is_foreign:
            return
        if self._count > 1:
            raise Elsewhere
        self._is_foreign = True
        self._on_foreign()

    def _call(
        self, name: str, positional: list[Any], keyword: dict[str, Any], context: FunctionContext
    ) -> Any:  # noqa: ANN401
        if name not in QUIET:
            self._before_foreign(name)
        return registry.call(name, positional, keyword, context)

    def _compilation(self, setup: Setup, minion: str, wanted: Wanted) -> Compilation:
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
            caller=self._call,
        )

        def functions(pillar: Mapping[str, Any]) -> Functions:
            return ContextFunctions(replace(context, pillar=pillar))

        options = salt_options(
            configuration,
            minion_id=minion,
            file_roots=_roots(configuration, "file_roots"),
            pillar_roots=_roots(configuration, "pillar_roots"),
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
                file_roots=self._roots["file_roots"],
                pillar_roots=self._roots["pillar_roots"],
                functions=functions,
                options={**options, "__role": "master", "__cli": "salt-master"},
                settings=CompilerSettings.of(configuration),
                host=host,
                on_pillar_file=self._on_file,
                kept=self._kept,
                before_foreign=self._before_foreign,
            ),
            saltenv=wanted.saltenv,
            pillarenv=wanted.pillarenv,
            pillar_override=wanted.override,
        )


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
    if not pillar.problems and not pillar.errors:
        return ()
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


def _roots(configuration: Mapping[str, Any], key: str) -> dict[str, list[str]]:
    return {name: list(paths) for name, paths in (configuration.get(key) or {}).items()}
