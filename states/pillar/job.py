"""Pillar as a job has it: loaded when something of it is first wanted, and its secrets hidden.

It comes from the master over the link, or is compiled out of this minion's own roots where there is
no master (`limpet call --local`, `file_client: local`). Whatever is loaded in a job, its secrets
are hidden from then on in what the job shows: `JobSecrets.mask`.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from limpet.common.errors import HostError
from limpet.states.pillar.secrets import MaskedStream, Masker, SecretKeys, secret_texts
from limpet.states.ports.served import Question, SourceChanged

if TYPE_CHECKING:  # a job that needs no pillar does not load what compiles it
    from limpet.states.context import FunctionContext
    from limpet.states.pillar.compile import Pillar

TRIES_MAX: Final = 3
"""Bodies that the master no longer has when they are pulled are asked for again."""
BODY_BYTES_MAX: Final = 64 * 1024 * 1024
"""Four times what a master makes."""
_SECRETS: Final = "pillar.secrets"
_COMPILING: Final = "pillar.compiling"


class JobSecrets:
    """What must not be shown of the pillars that a job has loaded."""

    def __init__(self, keys: tuple[str, ...] = ()) -> None:
        """`keys`: those that the minion's own configuration lists."""
        self._patterns = dict.fromkeys(keys)
        self._texts: set[str] = set()
        self._masker = Masker((), SecretKeys(keys))

    @property
    def masker(self) -> Masker:
        """What hides all that is known to be secret by now."""
        return self._masker

    def note(self, pillar: "Pillar") -> None:
        """Hide the secrets of a pillar from now on."""
        self._patterns |= dict.fromkeys(pillar.secret_keys.patterns)
        keys = SecretKeys(tuple(self._patterns))
        texts = secret_texts(pillar.data, keys, pillar.secret_paths)
        if texts <= self._texts and not pillar.secret_keys.patterns:
            return
        self._texts |= texts
        self._masker = Masker(self._texts, keys)

    def mask(self, value: Any) -> Any:  # noqa: ANN401
        """Give a value of any shape without secrets."""
        return self._masker.value(value)


class JobPillar(Mapping[str, Any]):
    """The pillar of one job, loaded when something of it is first asked for, once."""

    def __init__(self, load: Callable[[], "Pillar"]) -> None:
        self._load = load
        self._loaded: Pillar | None = None

    @property
    def loaded(self) -> "Pillar":
        """The whole of it, with its errors. Raises `HostError` where the master gives none."""
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded

    def forget(self) -> None:
        """Have it loaded anew when it is next wanted."""
        self._loaded = None

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401
        return self.loaded.items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.loaded.items)

    def __len__(self) -> int:
        return len(self.loaded.items)


def prepare(context: "FunctionContext") -> Callable[[], None]:
    """Give a job its pillar and the hiding of its secrets; nothing is loaded yet.

    What is given back passes on the last of the live output, at the job's end.
    """
    configured = context.configured("pillar_secret_keys") or ()
    keys = (configured,) if isinstance(configured, str) else tuple(map(str, configured))
    secrets = JobSecrets(keys)
    context.kept[_SECRETS] = secrets
    context.pillar = JobPillar(lambda: load(context, is_first=True))
    context.mask = secrets.mask
    stream = MaskedStream(lambda: secrets.masker, context.stream)
    context.stream = stream
    return stream.flush


def load(
    context: "FunctionContext",
    *,
    saltenv: str | None = None,
    pillarenv: str | None = None,
    override: Mapping[str, Any] | None = None,
    is_first: bool = False,
) -> "Pillar":
    """Have the pillar of this minion rendered, for these environments, with `override` on top.

    Environments that are not given are those of the configuration. `is_first`: files that are
    rendered here do not see what was rendered before. Raises `HostError` where the master gives
    none.
    """
    settled: dict[str, str | None] = {
        "saltenv": saltenv or context.configured("saltenv"),
        "pillarenv": pillarenv or context.configured("pillarenv"),
    }
    if context.sources is None:
        pillar = _compiled_here(context, settled, override, is_first)
    else:
        is_usual = not saltenv and not pillarenv and not override
        pillar = _of_master(context, {**settled, "override": override, "is_usual": is_usual})
    note(context, pillar)
    return pillar


def reload(context: "FunctionContext") -> "Pillar":
    """Have the usual pillar of this job rendered anew, for all that look at it from now on."""
    if isinstance(context.pillar, JobPillar):
        context.pillar.forget()
        return context.pillar.loaded
    return load(context)


def note(context: "FunctionContext", pillar: "Pillar") -> None:
    """Hide the secrets of a pillar in all that the job shows from now on."""
    secrets = context.kept.get(_SECRETS)
    if isinstance(secrets, JobSecrets):
        secrets.note(pillar)


def compiling() -> dict[str, Any]:
    """Give what a context keeps while pillar files are rendered in it."""
    return {_COMPILING: True}


def pillar_of(context: "FunctionContext") -> Mapping[str, Any]:
    """Give the pillar that a call sees: that of its run or job, else it is rendered now."""
    has_none = context.is_published and not isinstance(context.pillar, JobPillar)
    return load(context).items if has_none else context.pillar


def is_compiling(context: "FunctionContext") -> bool:
    """Say whether the call comes out of a pillar file, which can't wait for the whole pillar."""
    return bool(context.kept.get(_COMPILING))


def _of_master(context: "FunctionContext", wanted: dict[str, Any]) -> "Pillar":
    from limpet.states.pillar.body import decode_pillar

    arguments = {"grains": context.grains, **wanted}
    return decode_pillar(_body_of(context, Question("pillar", arguments=arguments)))


def _body_of(context: "FunctionContext", question: Question) -> bytes:
    """Ask for the body and pull what did not come with the answer. Raises `HostError`."""
    sources = context.sources
    assert sources is not None
    for _ in range(TRIES_MAX):
        served = sources.ask(question)
        if not served.is_found:
            break
        if served.body is not None:
            return served.body
        if served.size > BODY_BYTES_MAX:
            raise HostError(
                f"the pillar of this minion has {served.size} bytes, says the master; "
                f"{BODY_BYTES_MAX} are allowed"
            )
        try:
            body = bytearray()
            while len(body) < served.size:
                body += sources.pull(question, served, len(body))
        except SourceChanged:
            continue
        if hashlib.sha256(body).hexdigest() == served.digest:
            return bytes(body)
    raise HostError(f"the master did not give the pillar of this minion, {TRIES_MAX} times asked")


def _compiled_here(
    context: "FunctionContext",
    settled: dict[str, str | None],
    override: Mapping[str, Any] | None,
    is_first: bool,
) -> "Pillar":
    """Compile pillar out of the minion's own roots; files see the pillar that was there before."""
    from limpet.states.compiler.compile import Compilation
    from limpet.states.runner.applying import Applying, Wishes
    from limpet.states.sls.limits import LimitReached

    seed: Mapping[str, Any] | None = None
    if not is_first:
        usual = context.pillar.loaded if isinstance(context.pillar, JobPillar) else None
        before = load(context, is_first=True) if usual is None else usual
        if any(isinstance(each, LimitReached) for each in before.problems):
            return before  # it would take as long again, to no better end
        seed = before.items
    inside = replace(context, pillar={}, kept={**context.kept, **compiling()})
    minion = Applying(
        inside, Wishes(saltenv=settled["saltenv"], pillarenv=settled["pillarenv"])
    ).minion()
    return Compilation(
        minion,
        saltenv=settled["saltenv"],
        pillarenv=settled["pillarenv"],
        pillar_override=override,
        seed_pillar=seed,
    ).pillar
