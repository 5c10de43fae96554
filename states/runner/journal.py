"""The journal of one run: what there was to do, which states began, how each of them ended.

    opened, planned ──▶ (began, ended)… ──▶ over          (planned again: what listens; continued)

One file that is only appended to: frames of four bytes of length, four of CRC-32, and MessagePack.
A frame is written before its state begins, with a plain `write`: the kernel has it then, whatever
becomes of the process. It is synced at most once a second, and at the end: after a power cut the
last second may be missing. Reading ends at the first frame that is damaged or cut off.

This module is all that a reader of journals needs; it imports nothing that runs states.
"""

import os
import time
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

KEPT_MAX: Final = 20
"""Journals that are kept, the newest ones."""
KEPT_BYTES_MAX: Final = 256 * 1024 * 1024
"""And no more than so many bytes of them."""
RESULT_BYTES_MAX: Final = 1024 * 1024
"""A larger result is kept without its texts."""
FILE_BYTES_MAX: Final = 32 * 1024 * 1024
"""In a larger journal all further results are kept without their texts."""
READ_BYTES_MAX: Final = 64 * 1024 * 1024
SYNC_S: Final = 1.0

_HEAD_BYTES: Final = 8
_TEXT_CHARACTERS_MAX: Final = 500

Result = dict[str, Any]


class Frame(msgspec.Struct, array_like=True, frozen=True):
    """One statement of a journal."""


class Opened(Frame, tag="opened", frozen=True):
    """What was asked for, as far as compiling the same again needs it."""

    jid: str
    kind: str
    """Which states: those of the `top` file, of some `sls`, `high` data, a `text`, low `chunks`."""
    data: Any
    """The names of the SLS, the high data …; of the top file nothing."""
    id_: str | None
    """Of the SLS only this id (or name), and what it needs."""
    is_test: bool
    wishes: dict[str, Any]
    """`saltenv`, `pillarenv`, `pillar`, `exclude`, `whitelist`."""
    resumes: str
    """The run that this one goes on from; empty: none."""
    doubtful: tuple[str, ...]
    """States that an earlier run began and may have left half done."""
    started_wall_s: float
    is_hidden: bool = False
    """Something of that was secret and is not kept: the same can't be compiled again from here."""


class Planned(Frame, tag="planned", frozen=True):
    """States that are to be run, in this order: the tag of each, and its SLS."""

    states: tuple[tuple[str, str], ...]


class Began(Frame, tag="began", frozen=True):
    """A state is about to be run."""

    tag: str
    at_wall_s: float


class Ended(Frame, tag="ended", frozen=True):
    """What came of a state, in Salt's shape."""

    tag: str
    result: dict[str, Any]


class Over(Frame, tag="over", frozen=True):
    """The run has come to its end."""

    is_good: bool


class Continued(Frame, tag="continued", frozen=True):
    """A later run goes on from this one; its journal knows more."""

    jid: str


AnyFrame = Opened | Planned | Began | Ended | Over | Continued

_decoder: Final[msgspec.msgpack.Decoder[AnyFrame]] = msgspec.msgpack.Decoder(AnyFrame)


def _plain(value: object) -> Any:  # noqa: ANN401
    """Give what MessagePack can hold for a value that it does not know."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    return int(value) if isinstance(value, int) else str(value)


_encode: Final = msgspec.msgpack.Encoder(enc_hook=_plain).encode


def encode(frame: Frame) -> bytes:
    """Give the bytes of a frame. Raises `ValueError` where it holds what can't be written."""
    try:
        payload = _encode(frame)
    except (TypeError, OverflowError, RecursionError, msgspec.EncodeError) as error:
        raise ValueError(str(error)) from error
    return len(payload).to_bytes(4, "big") + zlib.crc32(payload).to_bytes(4, "big") + payload


def decode(data: bytes) -> tuple[list[AnyFrame], int]:
    """Read frames up to the end, or to the first that is damaged or cut off; and say where."""
    frames: list[AnyFrame] = []
    view, place = memoryview(data), 0
    while len(view) - place >= _HEAD_BYTES:
        size = int.from_bytes(view[place : place + 4], "big")
        end = place + _HEAD_BYTES + size
        payload = view[place + _HEAD_BYTES : end]
        checksum = int.from_bytes(view[place + 4 : place + _HEAD_BYTES], "big")
        if end > len(view) or zlib.crc32(payload) != checksum:
            break
        try:
            frames.append(_decoder.decode(payload))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            break
        place = end
    return frames, place


@dataclass(slots=True)
class Recorded:
    """A journal, read."""

    opened: Opened
    planned: dict[str, str] = field(default_factory=dict)
    """The SLS of each state by its tag, in the order in which they were to be run."""
    done: dict[str, Result] = field(default_factory=dict)
    """The results of those that have ended, in the order of their ends."""
    running: list[str] = field(default_factory=list)
    """The tags of those that began and have not ended."""
    is_over: bool = False
    is_whole: bool = True
    """False: writing failed at some time (a full disk), and what came after is not known."""
    continued: str = ""
    """The run that goes on from this one."""
    size: int = 0
    """How many bytes of the file are good."""

    @property
    def not_reached(self) -> list[str]:
        """Give the tags of the states that did not begin, in their order."""
        known = {*self.done, *self.running}
        return [tag for tag in self.planned if tag not in known]


def gather(frames: Sequence[AnyFrame]) -> Recorded | None:
    """Make of frames what they say together; None: not even the first is there."""
    if not frames or not isinstance(frames[0], Opened):
        return None
    found = Recorded(frames[0])
    running: dict[str, None] = {}
    for frame in frames[1:]:
        if isinstance(frame, Planned):
            found.planned.update(frame.states)
        elif isinstance(frame, Began):
            running[frame.tag] = None
        elif isinstance(frame, Ended):
            running.pop(frame.tag, None)
            found.done[frame.tag] = frame.result
        elif isinstance(frame, Over):
            found.is_over = True
        elif isinstance(frame, Continued):
            found.continued = frame.jid
    found.running = list(running)
    return found


def directory_of(state_directory: Path) -> Path:
    """Give where the journals of a minion lie."""
    return state_directory / "runs"


def read(path: Path) -> Recorded | None:
    """Read a journal; None: there is none, or nothing of it can be read. Raises `OSError`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with open(descriptor, "rb") as file:
        frames, size = decode(file.read(READ_BYTES_MAX))
        found = gather(frames)
        if found is not None:
            found.size = size
            found.is_whole = bool(os.fstat(descriptor).st_mode & 0o200)
    return found


class Writer:
    """The writing end. Nothing that goes wrong with it stops a run: `trouble` says what did."""

    def __init__(self, path: Path, opened: Opened) -> None:
        """Make the journal, readable by its owner alone. Raises `OSError`, `ValueError`."""
        head = encode(opened)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        prune(path.parent, but=path.name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600)
        self.trouble = ""
        self._size = 0
        self._synced_s = time.monotonic()
        self._append(head)

    def planned(self, states: Sequence[tuple[str, str]]) -> None:
        """Note what is to be run."""
        self._append(encode(Planned(tuple((clean(tag), clean(sls)) for tag, sls in states))))

    def began(self, tag: str, at_wall_s: float) -> None:
        """Note that a state is about to be run."""
        self._append(encode(Began(clean(tag), at_wall_s)))

    def ended(self, tag: str, result: Mapping[str, Any]) -> None:
        """Note a result; one that is too large, or can't be written, without its texts."""
        data, tag = b"", clean(tag)
        if self._size < FILE_BYTES_MAX:
            with suppress(ValueError):
                data = encode(Ended(tag, dict(result)))
        if not data or len(data) > RESULT_BYTES_MAX:
            data = encode(Ended(tag, _shortened(result)))
        self._append(data)

    def over(self, *, is_good: bool) -> None:
        """Note the end of the run, sync and close."""
        self._append(encode(Over(is_good)))
        self._sync()
        self.close()

    def close(self) -> None:
        """Close the file; it stays. A second call changes nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _append(self, data: bytes) -> None:
        if self.trouble or self._descriptor < 0:
            return
        try:
            written = os.write(self._descriptor, data)
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
        except OSError as error:
            self._give_up(str(error.strerror))
            return
        self._size += len(data)
        if time.monotonic() - self._synced_s >= SYNC_S:
            self._sync()

    def _sync(self) -> None:
        if self.trouble or self._descriptor < 0:
            return
        try:
            os.fdatasync(self._descriptor)
        except OSError as error:
            self._give_up(str(error.strerror))
        self._synced_s = time.monotonic()

    def _give_up(self, why: str) -> None:
        """Write no more: with a gap it would lie. The mode says so, which needs no room."""
        self.trouble = why
        with suppress(OSError):  # then the reader takes the gap for states that were not reached
            os.ftruncate(self._descriptor, self._size)
            os.fchmod(self._descriptor, 0o400)


def continue_in(path: Path, recorded: Recorded, jid: str) -> None:
    """Note in an old journal that another run goes on from it. Raises `OSError`."""
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.ftruncate(descriptor, recorded.size)  # behind a damaged end nothing would be read
        os.pwrite(descriptor, encode(Continued(jid)), recorded.size)
    finally:
        os.close(descriptor)


def prune(directory: Path, but: str = "") -> None:
    """Delete the oldest journals, so that one more has room. Raises `OSError`."""
    found: list[tuple[float, int, str]] = []
    for entry in os.scandir(directory):
        with suppress(FileNotFoundError):
            status = entry.stat(follow_symlinks=False)
            found.append((status.st_mtime, status.st_size, entry.name))
    total = 0
    for number, (_, size, name) in enumerate(sorted(found, reverse=True)):
        total += size
        if name != but and (number >= KEPT_MAX - 1 or total > KEPT_BYTES_MAX):
            with suppress(FileNotFoundError):
                os.unlink(directory / name)


def clean(text: str) -> str:
    """Give a tag as it stands in a journal: without what UTF-8 has no place for."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _shortened(result: Mapping[str, Any]) -> Result:
    """Give what of a result decides about other states, and the head of its comment."""
    comment = ascii(result.get("comment", ""))[:_TEXT_CHARACTERS_MAX]
    short: Result = {
        "name": ascii(result.get("name"))[1:-1][:_TEXT_CHARACTERS_MAX],
        "changes": {"cut": "too large for the journal of the run"} if result["changes"] else {},
        "result": result["result"] if isinstance(result["result"], bool) else None,
        "comment": comment,
    }
    for key in ("__id__", "__sls__", "start_time"):
        if isinstance(result.get(key), str):
            short[key] = ascii(result[key])[1:-1][:_TEXT_CHARACTERS_MAX]
    for key in ("__run_num__", "duration", "skip_watch", "skip_req", "__state_ran__"):
        if isinstance(result.get(key), bool | int | float):
            short[key] = result[key]
    return short


def told(recorded: Recorded, jid: str) -> tuple[dict[str, Any], str]:
    """Give what a run that was cut off returns, and a line that says so in numbers."""
    left = recorded.not_reached
    value = {"done": recorded.done, "running": recorded.running, "not_reached": left}
    total = len(recorded.done) + len(recorded.running) + len(left)
    words = [f"{len(recorded.done)} of {total} states done"]
    if recorded.running:
        shown = ", ".join(named(tag) for tag in recorded.running[:3])
        more = len(recorded.running) - 3
        words.append(f"was running: {shown}{f' and {more} more' if more > 0 else ''}")
    words.append(f"not reached: {len(left)}")
    if not recorded.is_whole:
        words.append("the journal of the run is not whole (disk full?): more may have run")
    return value, f"{', '.join(words)}; go on with: limpet apply --resume {jid}"


def named(tag: str) -> str:
    """Give a tag in words: `file.managed /etc/motd`."""
    module, id_, _, function = (*tag.split("_|-", 3), "", "", "")[:4]
    return f"{module}.{function} {id_[:80]}"
