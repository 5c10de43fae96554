"""All that one job of a made-up minion asks of the master, one question after the other.

    start, on_reply, on_pause_over ──▶ the next question, for the link ── none ──▶ over
    refused for a moment ──▶ paused ──▶ the same question again
    refused, not there, or a body that is not what it was said to be ──▶ over, with a problem

It stands where a job's process stands on a real host; the link and its asking are the real ones.
Bodies are counted and hashed as they come, and thrown away.
"""

import hashlib
from collections.abc import Callable, Generator, Iterable
from typing import Any, Final

import msgspec

from limpet.common.clock import FOREVER, Instant, Moment
from limpet.common.errors import HostError
from limpet.common.messages.sources import SourceKind
from limpet.minion.control.messages import AskSource, LocalPiece, LocalServed, PullSource
from limpet.minion.swarm.figures import Figures
from limpet.minion.swarm.minions.held_files import Held, Listed, Readings, Shared
from limpet.minion.swarm.minions.questions import Place, Questions, path_of, places

PAUSE_S: Final = 0.25
"""Before a question that was refused for the moment is put again."""
QUESTION_S: Final = 1830.0
"""How long one question may take with all its pauses, as on a real host."""
CHANGES_MAX: Final = 4
"""So often a body may be another one than a moment ago."""
FILES_MAX: Final = 1_000
"""Of one job."""
MISSING_MAX: Final = 16
"""Names of missing things in the document."""

Question = AskSource | PullSource
Reply = LocalServed | LocalPiece
Steps = Generator[Question, Reply, None]


class Fetched(msgspec.Struct):
    """What came of it: the document that the job returns."""

    bytes: int = 0
    """All that came: of files, listings and pillar."""
    files: int = 0
    """Brought whole, with the digest that was promised."""
    unchanged: int = 0
    """Files that the minion had already."""
    missing: list[str] = []
    """What is not there; the first ones."""
    pillars: int = 0
    seconds: float = 0.0
    digests_ok: bool = True


class Fetching:
    """The questions of one job."""

    def __init__(
        self,
        questions: Questions,
        held: Held,
        shared: Shared,
        figures: Figures,
        grains: Callable[[], bytes],
    ) -> None:
        """`grains` gives the minion's facts, JSON."""
        self.fetched = Fetched()
        self.problem = ""
        """Why the job fails; empty: it does not."""
        self.resume = FOREVER
        """When a question that was put off is put again."""
        self._questions = questions
        self._held = held
        self._shared = shared
        self._figures = figures
        self._grains = grains
        self._steps: Steps = self._all()
        self._question: Question | None = None
        self._asked = Instant(0.0)
        self._began = Instant(0.0)
        self._now = Instant(0.0)

    def start(self, now: Moment) -> Question | None:
        """Give the first question; None: there is none."""
        self._began = self._now = now.boot
        return self._take(now, lambda: next(self._steps))

    def on_reply(self, now: Moment, reply: Reply) -> Question | None:
        """Hear the answer; give the next question. None: it is over."""
        self._now = now.boot
        return self._take(now, lambda: self._steps.send(reply))

    def on_refused(self, now: Moment, reason: str, text: str) -> None:
        """Hear that the link does not serve this question; it is over unless `resume` is set."""
        is_passing = reason in ("busy", "stopping")
        if is_passing and now.boot + PAUSE_S < self._asked + QUESTION_S:
            self.resume = now.after(PAUSE_S)
            return
        self._figures.questions_failed += 1
        self.problem = text
        self._end(now)

    def on_pause_over(self) -> Question:
        """Give the question that was put off."""
        assert self._question is not None
        self.resume = FOREVER
        return self._question

    def _take(self, now: Moment, step: Callable[[], Question]) -> Question | None:
        try:
            self._question = step()
        except StopIteration:
            self._end(now)
            return None
        except HostError as error:
            self.problem = str(error)
            self._end(now)
            return None
        self._asked = now.boot
        return self._question

    def _end(self, now: Moment) -> None:
        self._question = None
        self._steps.close()
        self.fetched.seconds = round(now.boot - self._began, 6)

    # --- the questions, in order --------------------------------------------------------------

    def _all(self) -> Steps:
        questions = self._questions
        if questions.pillar is not None:
            yield from self._pillar(questions.pillar)
        if questions.needs_environments:
            yield AskSource("environments", questions.environment, "", b"", "")
        listed: Listed = {}
        if questions.needs_listing:
            listed = yield from self._listing(questions.environment)
        done: set[Place] = set()
        yield from self._sls(questions, listed, done)
        yield from self._files(questions.files, listed, done, is_wanted=True)
        below = [f"{tree}/" if tree else "" for tree in questions.trees]
        inside = [path for path in listed if any(path.startswith(each) for each in below)]
        yield from self._files(
            [Place(questions.environment, path) for path in inside], listed, done, is_wanted=True
        )

    def _sls(self, questions: Questions, listed: Listed, done: set[Place]) -> Steps:
        """Fetch SLS files, and what they name in turn."""
        waiting = dict.fromkeys(questions.sls)
        seen: set[str] = set()
        while waiting:
            name = next(iter(waiting))
            del waiting[name]
            seen.add(name)
            path = path_of(name, listed)
            if path is None:
                self._miss(name)
                self.problem = f"the SLS {name} is not in the environment {questions.environment!r}"
                continue
            place = Place(questions.environment, path)
            digest = yield from self._file(place, listed, done, self._shared.texts)
            named = self._shared.texts.get(digest) if digest else None
            if named is None:
                continue
            sources = places(named.addresses, questions.environment)
            yield from self._files(sources, listed, done, is_wanted=False)
            waiting |= dict.fromkeys(
                each for each in named.items if each not in seen and path_of(each, listed)
            )

    def _files(
        self, all_of_them: Iterable[Place], listed: Listed, done: set[Place], *, is_wanted: bool
    ) -> Steps:
        """Fetch files; those that were asked for by name and are not there are told."""
        for place in all_of_them:
            digest = yield from self._file(place, listed, done)
            if not digest and is_wanted:
                self._miss(f"salt://{place.path}")

    def _miss(self, what: str) -> None:
        if len(self.fetched.missing) < MISSING_MAX:
            self.fetched.missing.append(what[:200])

    def _file(
        self,
        place: Place,
        listed: Listed,
        done: set[Place],
        readings: Readings[Any] | None = None,
    ) -> Generator[Question, Reply, str]:
        """Fetch a file unless it is here; gives its digest, empty: there is none."""
        known = self._held.digest_of("file", place)
        if place in done or len(done) >= FILES_MAX:
            return known
        done.add(place)
        if listed and place.environment == self._questions.environment:
            row = listed.get(place.path)
            if row is None:
                return ""
            is_readable = readings is None or readings.get(known) is not None
            if known and row[1] == known and is_readable:
                self._count_unchanged()
                return known
        began, before = self._now, self.fetched.bytes
        digest = yield from self._body("file", place, known, readings=readings)
        if not digest:
            return ""
        if digest == known and self.fetched.bytes == before:
            self._count_unchanged()
            return digest
        self.fetched.files += 1
        self._figures.files += 1
        self._figures.file_bytes += self.fetched.bytes - before
        self._figures.file_s.add(self._now - began)
        self._held.note("file", place, digest)
        return digest

    def _count_unchanged(self) -> None:
        self.fetched.unchanged += 1
        self._figures.files_unchanged += 1

    def _listing(self, environment: str) -> Generator[Question, Reply, Listed]:
        """Fetch the list of an environment's files; an unknown one is empty."""
        place, listings = Place(environment, ""), self._shared.listings
        known = self._held.digest_of("listing", place)
        digest = yield from self._body("listing", place, known, readings=listings)
        self._figures.listings += 1
        if not digest:
            return {}
        self._held.note("listing", place, digest)
        return listings.get(digest) or {}

    def _pillar(self, said: dict[str, Any]) -> Steps:
        began, before = self._now, self.fetched.bytes
        grains = msgspec.json.decode(self._grains())
        arguments = msgspec.msgpack.encode({"grains": grains, **said})
        digest = yield from self._body("pillar", Place("base", ""), "", arguments)
        if not digest:
            raise HostError("the master gave no pillar")
        self.fetched.pillars += 1
        self._figures.pillars += 1
        self._figures.pillar_bytes += self.fetched.bytes - before
        self._figures.pillar_s.add(self._now - began)

    def _body(
        self,
        kind: SourceKind,
        place: Place,
        known: str,
        arguments: bytes = b"",
        *,
        readings: Readings[Any] | None = None,
    ) -> Generator[Question, Reply, str]:
        """Ask for a body and pull the rest of it; gives its digest, empty where there is none.

        What `readings` read is in there afterwards. Raises `HostError` for a body that is not what
        it was said to be, or never the same twice.
        """
        if readings is not None and readings.get(known) is None:
            known = ""
        for _ in range(CHANGES_MAX):
            served = yield AskSource(kind, place.environment, place.path, arguments, known)
            assert isinstance(served, LocalServed)
            if not served.is_found:
                return ""
            if known and served.digest == known:
                return known
            known = ""
            if (yield from self._pulled(kind, place, served, readings)):
                return served.digest
        raise HostError(f"{kind} {place.path or place.environment} changes all the time")

    def _pulled(
        self,
        kind: SourceKind,
        place: Place,
        served: LocalServed,
        readings: Readings[Any] | None,
    ) -> Generator[Question, Reply, bool]:
        """Take what came along, or pull it all; False: it has changed meanwhile."""
        whole = hashlib.sha256()
        kept = bytearray()
        is_kept = readings is not None and readings.get(served.digest) is None
        offset = 0
        data = served.body
        while True:
            whole.update(data)
            offset += len(data)
            self.fetched.bytes += len(data)
            if is_kept:
                kept += data
            if offset >= served.total:
                break
            piece = yield PullSource(kind, place.environment, place.path, served.digest, offset)
            assert isinstance(piece, LocalPiece)
            if piece.is_changed:
                return False
            data = piece.data
        if offset != served.total or whole.hexdigest() != served.digest:
            self.fetched.digests_ok = False
            self._figures.digests_wrong += 1
            raise HostError(f"{kind} {place.path or place.environment}: its SHA-256 is another one")
        if readings is not None and is_kept:
            readings.add(served.digest, bytes(kept))
        return readings is None or readings.get(served.digest) is not None
