"""The master's keys on the disk: the present one, the next ones, and the site key that signs them.

    keys/master.secret  the CURVE key in use                            (`common/crypto/keyfiles`)
    keys/site.secret    the seed of the site key
    keys/master.next    JSON: serial, the next secrets with the serial that first told of each, the
                        signature; while `--fresh` is under way, the seed of the next site key

Each has a copy beside it, and mode 0600. A rotation is `switch_steps`, in this order: the secret
(here it happens: one rename), the public key, the site key, the list. A master that finds the key
it has on its list of next ones was cut off behind the first step, and does the rest at its start.

Everything here blocks on the disk: it runs before the loop, or in the thread of `key_writer.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from limpet.common.crypto import site
from limpet.common.crypto.keyfiles import (
    COPY_SUFFIX,
    BothDamaged,
    KeyPair,
    decoded,
    load_or_make_pair,
    read_twice,
    write_twice,
)
from limpet.common.crypto.keys import decode_base32, decode_key, encode_base32
from limpet.common.errors import HostError, SourceError, UsageError
from limpet.common.storage.files import create_whole, write_whole
from limpet.master.master_keys.announced import Announced, Following

NAME: Final = "master"
SITE_NAME: Final = "site.secret"
NEXT_NAME: Final = "master.next"
AHEAD: Final = 3
"""Keys prepared ahead. A minion that has missed two rotations, or a master restored from a backup
that is two rotations old, still knows one that the other side has."""

Make = Callable[[], tuple[bytes, bytes]]
PublicOf = Callable[[bytes], bytes]
Step = Callable[[], None]


class PreparedKey(msgspec.Struct, frozen=True):
    """One key for later."""

    secret: str
    since: int

    def __repr__(self) -> str:
        """Show nothing of the secret."""
        return f"PreparedKey(since={self.since})"


class Prepared(msgspec.Struct, frozen=True):
    """The content of `master.next`. Keys are base 32."""

    serial: int
    next: tuple[PreparedKey, ...]
    current: str
    """The public key that the signature names as the present one."""
    site: str
    signature: str
    former: str = ""
    former_signature: str = ""
    fresh_site: str = ""
    """The seed of the site key that takes over with the next rotation; secret, like `next`."""

    def __repr__(self) -> str:
        """Show nothing of the secrets in a traceback or a log."""
        return f"Prepared({self.serial})"


@dataclass(frozen=True, slots=True)
class LoadedKeys:
    """What a master starts with."""

    pair: KeyPair
    announced: Announced | None
    """None: the disk did not take what had to be written; the master serves all the same."""
    notices: tuple[str, ...]


class KeyFiles:
    """The files of one master. One thread at a time."""

    def __init__(self, directory: Path, *, make: Make, public_of: PublicOf) -> None:
        """Use a directory that exists. `make` gives (public, secret) of a new CURVE key."""
        self._directory = directory
        self._make = make
        self._public_of = public_of

    def load(self, wall_s: float) -> LoadedKeys:
        """Finish what was cut off, make what is not there yet, and give it all.

        Raises `SourceError` and `HostError` as `load_or_make_pair` does.
        """
        notices: list[str] = []
        prepared = self._read_next(notices)
        copy = self._secret_path.with_name(self._secret_path.name + COPY_SUFFIX)
        found = decoded(self._secret_path, is_private=True) or decoded(copy, is_private=True)
        if found is not None and prepared is not None and self._is_next(prepared, found):
            try:
                for step in self._steps_after(prepared, found, wall_s):
                    step()
            except (HostError, SourceError) as error:
                # The secret decides, and minions know it: whatever the disk says, it is in use.
                notices.append(
                    "a rotation of the master's key had been cut off, and the disk does not take "
                    "the rest: the new key is in use, but minions are told no next ones, and "
                    f"{NAME}.public may hold the old one, until a start that can write: {error}"
                )
                pair = KeyPair(self._public_of(found), found)
                return LoadedKeys(pair, None, tuple(notices))
            notices.append("a rotation of the master's key had been cut off; it is finished now")
            prepared = self._read_next(notices)
        pair = load_or_make_pair(self._directory, NAME, make=self._make, public_of=self._public_of)
        try:
            if prepared is None or prepared.current != encode_base32(pair.public):
                prepared = self._renewed(prepared, pair.public, wall_s)
                self._write_next(prepared)
        except (HostError, SourceError) as error:
            notices.append(f"the next keys can't be prepared, so minions are not told any: {error}")
            return LoadedKeys(pair, None, (*notices, *pair.notices))
        return LoadedKeys(pair, self._announced(prepared), (*notices, *pair.notices))

    def prepare_fresh(self, wall_s: float) -> Announced:
        """Throw the next keys away and make others, and a site key that will take over.

        The present site key signs for the new one until the rotation is done. Raises `HostError`.
        """
        prepared, public = self._present()
        serial = _after(prepared.serial, wall_s)
        fresh = decode_key(prepared.fresh_site) if prepared.fresh_site else site.make_seed()
        keys = tuple(self._new_key(serial) for _ in range(AHEAD))
        news = self._signed(serial, keys, public, self._site_seed(), fresh)
        self._write_next(news)
        return self._announced(news)

    def raise_serial(self, above: int) -> Announced:
        """Say the same again under a serial above one that a minion has. Raises `HostError`."""
        prepared, public = self._present()
        if prepared.serial <= above:
            fresh = decode_key(prepared.fresh_site) if prepared.fresh_site else b""
            prepared = self._signed(above + 1, prepared.next, public, self._site_seed(), fresh)
            self._write_next(prepared)
        return self._announced(prepared)

    def switch(self, wall_s: float) -> None:
        """Take the first of the next keys into use, for the next start. Raises `HostError`."""
        for step in self.switch_steps(wall_s):
            step()

    def switch_steps(self, wall_s: float) -> list[Step]:
        """Give the writes of a rotation, in order; cut off behind any, `load` does the rest."""
        prepared, _ = self._present()
        secret = decode_key(prepared.next[0].secret)
        line = _line(secret)
        return [
            partial(write_whole, self._secret_path, line, mode=0o600),
            partial(write_whole, _copy_of(self._secret_path), line, mode=0o600),
            *self._steps_after(prepared, secret, wall_s),
        ]

    # -- steps ----------------------------------------------------------------------------------

    def _steps_after(self, prepared: Prepared, secret: bytes, wall_s: float) -> list[Step]:
        """Give the writes that follow when the secret is in its place."""
        public = self._public_of(secret)
        place = next(
            index for index, each in enumerate(prepared.next) if decode_key(each.secret) == secret
        )
        serial = _after(prepared.serial, wall_s)
        left = prepared.next[place + 1 :]
        keys = (*left, *(self._new_key(serial) for _ in range(AHEAD - len(left))))
        fresh = decode_key(prepared.fresh_site) if prepared.fresh_site else b""
        news = self._signed(serial, keys, public, fresh or self._site_seed(), b"")
        data = msgspec.json.encode(news)
        steps: list[Step] = [
            partial(
                write_whole,
                self._directory / f"{NAME}.public",
                f"{encode_base32(public)}\n".encode(),
                mode=0o644,
            )
        ]
        if fresh:
            steps.append(partial(write_twice, self._site_path, _line(fresh)))
        steps.append(partial(write_whole, self._next_path, data, mode=0o600))
        steps.append(partial(write_whole, _copy_of(self._next_path), data, mode=0o600))
        return steps

    # -- the list -------------------------------------------------------------------------------

    @property
    def _secret_path(self) -> Path:
        return self._directory / f"{NAME}.secret"

    @property
    def _next_path(self) -> Path:
        return self._directory / NEXT_NAME

    @property
    def _site_path(self) -> Path:
        return self._directory / SITE_NAME

    def _present(self) -> tuple[Prepared, bytes]:
        """Read what is on the disk: the list, and the public key in use."""
        notices: list[str] = []
        prepared = self._read_next(notices)
        secret, _ = read_twice(self._secret_path, decode_key, is_private=True)
        if prepared is None or secret is None:
            raise HostError(
                f"{self._next_path} can't be read any more: restart the master, which makes it anew"
            )
        return prepared, self._public_of(secret)

    def _read_next(self, notices: list[str]) -> Prepared | None:
        """Read the list; without one that can be read, there is none: another one is made."""
        try:
            text, more = read_twice(self._next_path, _checked, is_private=True)
        except BothDamaged as error:
            notices.append(f"{error}; other keys are prepared and told to the minions")
            return None
        notices += more
        return None if text is None else msgspec.json.decode(text, type=Prepared)

    def _write_next(self, prepared: Prepared) -> None:
        write_twice(self._next_path, msgspec.json.encode(prepared))

    def _is_next(self, prepared: Prepared, secret: bytes) -> bool:
        return any(decode_key(each.secret) == secret for each in prepared.next)

    def _renewed(self, prepared: Prepared | None, public: bytes, wall_s: float) -> Prepared:
        """Make the list of a first start, or sign the one that is there for the present key."""
        seed = self._site_seed()
        if prepared is None:
            serial = _after(0, wall_s)
            keys = tuple(self._new_key(serial) for _ in range(AHEAD))
            return self._signed(serial, keys, public, seed, b"")
        fresh = decode_key(prepared.fresh_site) if prepared.fresh_site else b""
        return self._signed(_after(prepared.serial, wall_s), prepared.next, public, seed, fresh)

    def _new_key(self, serial: int) -> PreparedKey:
        _, secret = self._make()
        return PreparedKey(encode_base32(secret), serial)

    def _site_seed(self) -> bytes:
        """Read the seed of the site key, or make it."""
        seed, _ = read_twice(self._site_path, decode_key, is_private=True)
        if seed is not None:
            return seed
        seed = site.make_seed()
        create_whole(_copy_of(self._site_path), _line(seed), mode=0o600)
        create_whole(self._site_path, _line(seed), mode=0o600)
        return seed

    def _signed(
        self,
        serial: int,
        keys: tuple[PreparedKey, ...],
        current: bytes,
        seed: bytes,
        fresh_seed: bytes,
    ) -> Prepared:
        """Sign; with a fresh site key that one signs, and the present one signs for it."""
        signer = fresh_seed or seed
        public = site.public_of(signer)
        former = site.public_of(seed) if fresh_seed else b""
        said = site.Announcement(
            public,
            former,
            serial,
            current,
            tuple(self._public_of(decode_key(each.secret)) for each in keys),
        )
        return Prepared(
            serial=serial,
            next=keys,
            current=encode_base32(current),
            site=encode_base32(public),
            signature=encode_base32(site.sign(signer, said)),
            former=encode_base32(former),
            former_signature=encode_base32(site.sign(seed, said)) if fresh_seed else "",
            fresh_site=encode_base32(fresh_seed),
        )

    def _announced(self, prepared: Prepared) -> Announced:
        return Announced(
            site=decode_base32(prepared.site),
            former=decode_base32(prepared.former),
            serial=prepared.serial,
            current=decode_base32(prepared.current),
            following=tuple(
                Following(self._public_of(decode_key(each.secret)), each.since)
                for each in prepared.next
            ),
            signature=decode_base32(prepared.signature),
            former_signature=decode_base32(prepared.former_signature),
        )


def _after(serial: int, wall_s: float) -> int:
    """Give a higher serial; by the clock, so that a restored backup goes on above what came later.

    Where the clock is wrong, minions say which one they have, and it is raised above that.
    """
    return max(serial + 1, int(wall_s))


def _checked(text: bytes) -> bytes:
    """Read a `master.next`. Raises `UsageError` where it is damaged."""
    try:
        prepared = msgspec.json.decode(text, type=Prepared)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"not the list of next keys: {error}") from error
    if not prepared.next or prepared.serial < 1:
        raise UsageError("the list of next keys is empty")
    for each in prepared.next:
        decode_key(each.secret)
    for key in filter(None, (prepared.current, prepared.site, prepared.former)):
        decode_key(key)
    if prepared.fresh_site:
        decode_key(prepared.fresh_site)
    for signature in (prepared.signature, prepared.former_signature):
        decode_base32(signature)
    return text


def _line(key: bytes) -> bytes:
    return f"{encode_base32(key)}\n".encode()


def _copy_of(path: Path) -> Path:
    return path.with_name(path.name + COPY_SUFFIX)
