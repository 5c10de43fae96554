"""Values of pillar that must not be shown: which they are, and hiding them wherever they stand.

A value is secret by the name of a key above it (`pillar_secret_keys`) or by the tag `!secret` in a
pillar file. Hiding goes by the value: a secret text is replaced wherever it stands in what is
shown, also inside a diff or an error, and in the forms in which programs write texts (base64, JSON,
shell, URL). What stands under a secret key is hidden whatever it is. Texts of fewer than four
characters, booleans and null are hidden only there: they stand in too many other places.
"""

import base64
import bisect
import fnmatch
import json
import re
import shlex
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

MASK: Final = "**********"
CHARACTERS_MIN: Final = 4
"""Shorter texts are hidden only under their key."""
SECRETS_MAX: Final = 20_000
"""Forms of secrets that one masker looks for; beyond it the longest are looked for."""
_DEPTH_MAX: Final = 200
_HUNK: Final = re.compile(r"^(?=@@ )", re.MULTILINE)
_PEM_FRAME: Final = re.compile(r"-----(?:BEGIN|END) [A-Z0-9 ]+-----")

Way = tuple[Any, ...]
"""Keys and indexes from the top of pillar to a value."""


class Secret(str):
    """A text that a pillar file marks as secret; a plain `str` to everybody else."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class SecretKeys:
    """The names of keys under which everything is secret.

    A name or glob (`password`, `*_key`) means that key at any depth; one with colons
    (`mysql:*:password`) is a path from the top of pillar.
    """

    patterns: tuple[str, ...] = ()

    @property
    def _anywhere(self) -> tuple[str, ...]:
        return tuple(each for each in self.patterns if ":" not in each)

    def matcher(self) -> Callable[[Way], bool]:
        """Give the question whether the last key of a way is a secret one."""
        names = re.compile("|".join(map(fnmatch.translate, self._anywhere)) or r"(?!)")
        paths = [each.split(":") for each in self.patterns if ":" in each]

        def is_secret(way: Way) -> bool:
            if not way:
                return False
            if isinstance(way[-1], str) and names.match(way[-1]):
                return True
            return any(
                len(path) == len(way)
                and all(
                    fnmatch.fnmatchcase(str(key), part) for key, part in zip(way, path, strict=True)
                )
                for path in paths
            )

        return is_secret


def marked_paths(pillar: Mapping[Any, Any]) -> list[list[Any]]:
    """Give the ways to all values that pillar files marked."""
    if not has_marked(pillar):
        return []
    return [list(way) for way, value in _leaves(pillar, ()) if isinstance(value, Secret)]


def has_marked(value: Any) -> bool:  # noqa: ANN401
    """Say whether any value in it is marked; much quicker than to find out where."""
    if isinstance(value, dict | Mapping):
        inside: Iterable[Any] = value.values()
    elif isinstance(value, list | tuple):
        inside = value
    else:
        return isinstance(value, Secret)
    return any(type(each) not in _UNMARKED and has_marked(each) for each in inside)


_UNMARKED: Final = frozenset((str, int, float, bool, bytes, type(None)))


def unmarked(value: Any) -> Any:  # noqa: ANN401
    """Give the value with marked texts as plain ones; mappings keep their type."""
    if isinstance(value, Secret):
        return str(value)
    if isinstance(value, dict):
        for key, each in value.items():
            value[key] = unmarked(each)
    elif isinstance(value, list):
        value[:] = map(unmarked, value)
    elif isinstance(value, tuple):
        return tuple(map(unmarked, value))
    return value


def secret_texts(
    pillar: Mapping[Any, Any], keys: SecretKeys, paths: Iterable[Sequence[Any]] = ()
) -> set[str]:
    """Give the secret values of a pillar as texts, those that are long enough to be looked for."""
    is_secret = keys.matcher()
    wanted = {tuple(path) for path in paths}
    found: set[str] = set()

    def walk(value: Any, way: Way, is_below: bool) -> None:  # noqa: ANN401
        is_below = is_below or way in wanted or is_secret(way)
        if isinstance(value, Mapping):
            for key, each in value.items():
                walk(each, (*way, key), is_below)
        elif isinstance(value, list | tuple):
            for index, each in enumerate(value):
                walk(each, (*way, index), is_below)
        elif is_below or isinstance(value, Secret):
            found.update(_texts_of(value))

    walk(pillar, (), False)
    return found


def _texts_of(value: object) -> Iterator[str]:
    if value is None or isinstance(value, bool):
        return
    text = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
    if len(text) >= CHARACTERS_MIN:
        yield text


def _leaves(value: Any, way: Way) -> Iterator[tuple[Way, Any]]:  # noqa: ANN401
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _leaves(each, (*way, key))
    elif isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from _leaves(each, (*way, index))
    else:
        yield way, value


def _forms(secret: str) -> Iterator[str]:
    """Give a secret as it may be written, whole and line by line."""
    yield secret
    stripped = secret.strip()
    yield stripped
    lines = [line.strip() for line in secret.splitlines()]
    if len(lines) > 1:
        yield from (line for line in lines if not _PEM_FRAME.fullmatch(line))
    for text in {secret, stripped}:
        data = text.encode("utf-8", "surrogateescape")
        yield base64.b64encode(data).decode()
        yield base64.urlsafe_b64encode(data).decode()
        yield json.dumps(text)[1:-1]
        yield json.dumps(text, ensure_ascii=False)[1:-1]
        yield repr(text)[1:-1]
        yield shlex.quote(text)
        yield urllib.parse.quote(text, safe="")
        yield urllib.parse.quote_plus(text)


class Masker:
    """Hides secrets in values. Of no secrets and no keys it gives everything back as it is."""

    def __init__(self, secrets: Iterable[str] = (), keys: SecretKeys | None = None) -> None:
        keys = SecretKeys() if keys is None else keys
        forms = {form for secret in secrets for form in _forms(secret)}
        # The longest first: of two that begin alike the whole of the longer one has to go.
        longest = sorted(
            (form for form in forms if len(form) >= CHARACTERS_MIN),
            key=lambda each: (-len(each), each),
        )[:SECRETS_MAX]
        self._text = re.compile("|".join(map(re.escape, longest))) if longest else None
        encoded = [each.encode("utf-8", "surrogateescape") for each in longest]
        self._bytes = re.compile(b"|".join(map(re.escape, encoded))) if encoded else None
        self._sorted = sorted(encoded)
        self._longest = max(map(len, encoded), default=0)
        self._is_secret = keys.matcher()
        self._has_keys = bool(keys.patterns)

    def __bool__(self) -> bool:
        """Say whether there is anything to hide."""
        return self._text is not None or self._has_keys

    def text(self, text: str) -> str:
        """Hide secrets in a text; of a diff that brings one in, what stood there before as well."""
        if self._text is None:
            return text
        shown = self._text.sub(MASK, text)
        return shown if shown == text or "\n@@ " not in f"\n{text}" else _without_old(shown)

    def data(self, data: bytes) -> bytes:
        """Hide secrets in bytes."""
        return data if self._bytes is None else self._bytes.sub(MASK.encode(), data)

    def value(self, value: Any) -> Any:  # noqa: ANN401
        """Hide secrets in a value of any shape; what has none to hide may be given back itself."""
        return self._value(value, (), frozenset()) if self else value

    def _value(self, value: Any, way: Way, above: frozenset[int]) -> Any:  # noqa: ANN401
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes):
            return self.data(value)
        if isinstance(value, Mapping | list | tuple | set | frozenset):
            if id(value) in above or len(above) > _DEPTH_MAX:
                return MASK  # what contains itself or has no end is not looked through
            return self._container(value, way, above | {id(value)})
        if value is None or isinstance(value, bool | int | float):
            return self._number(value)
        told = str(value)  # which is what is written down of it
        shown = self.text(told)
        return value if shown == told else shown

    def _number(self, value: Any) -> Any:  # noqa: ANN401
        if self._text is None or value is None or isinstance(value, bool):
            return value
        return MASK if self._text.fullmatch(str(value)) else value

    def _container(self, value: Any, way: Way, above: frozenset[int]) -> Any:  # noqa: ANN401
        if isinstance(value, Mapping):
            return {
                self._value(key, (), above) if isinstance(key, str | bytes) else key: (
                    hidden(each)
                    if self._has_keys and self._is_secret((*way, key))
                    else self._value(each, (*way, key), above)
                )
                for key, each in value.items()
            }
        made = [self._value(each, (*way, index), above) for index, each in enumerate(value)]
        if isinstance(value, list):
            return made
        return tuple(made) if isinstance(value, tuple) else set(made)

    def settled(self, data: bytes) -> int:
        """Say how many bytes at the beginning can be judged, whatever follows them.

        The rest may be the beginning of a secret, or a secret that such a beginning overlaps.
        """
        if self._bytes is None:
            return len(data)
        cut = len(data)
        for start in range(max(0, len(data) - self._longest + 1), len(data)):
            tail = data[start:]
            place = bisect.bisect_left(self._sorted, tail)
            if place < len(self._sorted) and self._sorted[place].startswith(tail):
                cut = start
                break
        for found in self._bytes.finditer(data):
            if found.start() < cut < found.end():
                return found.start()
        return cut


def _without_old(diff: str) -> str:
    """Hide the lines that a hunk takes away where those it brings in held a secret.

    What is replaced by a new password is the old one, which no pillar knows any more.
    """
    parts = _HUNK.split(diff)
    for index, part in enumerate(parts):
        lines = part.split("\n")
        if any(line.startswith("+") and MASK in line for line in lines[1:]):
            lines[1:] = [f"-{MASK}" if line.startswith("-") else line for line in lines[1:]]
            parts[index] = "\n".join(lines)
    return "".join(parts)


def hidden(value: Any) -> Any:  # noqa: ANN401
    """Give the shape of a value with every leaf hidden; what is empty stays empty."""
    if isinstance(value, Mapping):
        return {key: hidden(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [hidden(each) for each in value]
    return value if value is None or value in ("", b"") else MASK


class MaskedStream:
    """Hides secrets in output that comes in pieces, also those that two pieces share."""

    def __init__(self, masker: Callable[[], Masker], write: Callable[[bytes], None]) -> None:
        """`masker` is asked for each piece: what is secret becomes known while a job runs."""
        self._masker = masker
        self._write = write
        self._kept = b""

    def __call__(self, data: bytes) -> None:
        """Pass on what can't be the beginning of a secret; the rest waits for the next piece."""
        masker = self._masker()
        if not masker and not self._kept:
            self._write(data)
            return
        whole = self._kept + data
        settled = masker.settled(whole)
        self._kept = whole[settled:]
        if settled:
            self._write(masker.data(whole[:settled]))

    def flush(self) -> None:
        """Pass on what waits: nothing follows."""
        if self._kept:
            kept, self._kept = self._kept, b""
            self._write(self._masker().data(kept))
