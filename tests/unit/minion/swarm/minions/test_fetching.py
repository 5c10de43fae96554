"""What a made-up job asks of the master, and that it asks for nothing twice."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from limpet.common.clock import Instant, Moment
from limpet.minion.control.messages import AskSource, LocalPiece, LocalServed
from limpet.minion.swarm.figures import Figures
from limpet.minion.swarm.minions import fetching as module
from limpet.minion.swarm.minions.fetching import Fetched, Fetching, Question, Reply
from limpet.minion.swarm.minions.held_files import Held, Shared
from limpet.minion.swarm.minions.questions import (
    TOP,
    Named,
    Place,
    Questions,
    names_in,
    questions_of,
)

GRAINS = b'{"id":"m"}'


def packed(*positional: Any, **keyword: Any) -> bytes:  # noqa: ANN401
    return msgspec.msgpack.encode([positional, keyword])


@dataclass
class Master:
    """A master with its link, and minions of one process."""

    files: dict[str, bytes] = field(default_factory=dict)
    lists_digests: bool = True
    inline: int = 8
    piece: int = 5
    shared: Shared = field(default_factory=Shared)
    figures: Figures = field(default_factory=Figures)
    asked: list[str] = field(default_factory=list)
    pulled: int = 0
    changes_at: int = -1
    """The piece of this offset is of another file."""
    spoils: bool = False

    def run(self, questions: Questions | None, held: Held) -> tuple[Fetched, str]:
        assert questions is not None
        job = Fetching(questions, held, self.shared, self.figures, lambda: GRAINS)
        now = Moment(Instant(10.0), 1.0)
        question = job.start(now)
        for number in range(500):
            if question is None:
                return job.fetched, job.problem
            now = Moment(Instant(10.0 + number), 1.0)
            question = job.on_reply(now, self.answer(question))
        raise AssertionError("it never ends")

    def answer(self, question: Question) -> Reply:
        body = self.body(question.kind, question.name)
        if isinstance(question, AskSource):
            self.asked.append(f"{question.kind} {question.name}".strip())
            if question.kind == "pillar":
                assert msgspec.msgpack.decode(question.arguments)["grains"] == {"id": "m"}
            if body is None:
                return LocalServed(False, "", 0, b"", b"", False)
            digest = hashlib.sha256(body).hexdigest()
            has_body = digest != question.known and len(body) <= self.inline
            return LocalServed(True, digest, len(body), b"", body if has_body else b"", has_body)
        assert body is not None
        if question.offset == self.changes_at:
            self.changes_at = -1
            return LocalPiece(question.offset, b"", True)
        self.pulled += 1
        data = body[question.offset : question.offset + self.piece]
        return LocalPiece(question.offset, b"x" * len(data) if self.spoils else data, False)

    def body(self, kind: str, name: str) -> bytes | None:
        if kind == "listing":
            rows = []
            for path, body in self.files.items():
                digest = hashlib.sha256(body).hexdigest() if self.lists_digests else ""
                rows.append([path, "file", 0o644, len(body), "", digest])
            return msgspec.msgpack.encode(rows)
        if kind == "environments":
            return msgspec.msgpack.encode(["base"])
        if kind == "pillar":
            return msgspec.msgpack.encode({"data": {"a": 1}, "errors": []})
        return self.files.get(name)


def test_a_file_is_fetched_once_and_then_known_by_its_digest() -> None:
    master = Master({"big": b"0123456789abcdef"})
    held = Held()
    questions = questions_of("cp.cache_file", packed("salt://big"))
    fetched, problem = master.run(questions, held)
    assert problem == ""
    assert (fetched.bytes, fetched.files, fetched.unchanged, fetched.digests_ok) == (16, 1, 0, True)
    assert master.pulled == 4
    fetched, _ = master.run(questions, held)
    assert (fetched.bytes, fetched.files, fetched.unchanged) == (0, 0, 1)
    assert master.pulled == 4
    master.files["big"] = b"another"
    fetched, _ = master.run(questions, held)
    assert (fetched.bytes, fetched.files) == (7, 1)
    assert (master.figures.files, master.figures.files_unchanged) == (2, 1)
    assert master.figures.file_bytes == 23
    assert master.figures.file_s.total == 2


def test_a_body_with_another_digest_than_promised_fails_the_job() -> None:
    master = Master({"big": b"0123456789abcdef"}, spoils=True)
    fetched, problem = master.run(questions_of("cp.cache_file", packed("salt://big")), Held())
    assert not fetched.digests_ok
    assert "SHA-256" in problem
    assert master.figures.digests_wrong == 1
    assert master.figures.files == 0


def test_a_file_that_changes_meanwhile_is_asked_for_again() -> None:
    master = Master({"big": b"0123456789abcdef"}, changes_at=10)
    fetched, problem = master.run(questions_of("cp.cache_file", packed("salt://big")), Held())
    assert (fetched.files, fetched.bytes, problem) == (1, 26, "")
    assert master.asked == ["file big", "file big"]


def test_what_is_not_there_is_told() -> None:
    fetched, problem = Master().run(questions_of("cp.cache_file", packed("salt://no")), Held())
    assert (fetched.missing, problem) == (["salt://no"], "")


TREE = {
    "top.sls": b"base:\n  '*':\n    - web\n    - absent\n",
    "web/init.sls": b"include:\n  - base.users\n/etc/x:\n  file.managed:\n    - source: salt://big\n",
    "base/users.sls": b"root: {user.present: []}\n",
    "big": b"0123456789abcdef",
    "other": b"not asked for",
}


@pytest.mark.parametrize("lists_digests", [True, False])
def test_an_apply_fetches_pillar_listing_sls_files_and_their_sources(lists_digests: bool) -> None:
    master = Master(TREE, lists_digests=lists_digests)
    held = Held()
    questions = questions_of("state.apply", packed())
    fetched, problem = master.run(questions, held)
    assert problem == ""
    assert master.asked == [
        "pillar", "environments", "listing", "file top.sls", "file web/init.sls", "file big",
        "file base/users.sls",
    ]  # fmt: skip
    assert (fetched.files, fetched.pillars) == (4, 1)
    master.asked.clear()
    fetched, _ = master.run(questions, held)
    assert (fetched.files, fetched.unchanged) == (0, 4)
    assert fetched.bytes == len(master.body("pillar", "") or b"")
    if lists_digests:  # the list says that all is as it was
        assert master.asked == ["pillar", "environments", "listing"]
    else:
        assert len(master.asked) == 7
    fetched, _ = master.run(questions, Held())  # another minion fetches all of it
    assert fetched.files == 4


def test_named_sls_files_are_fetched_alone_and_missing_ones_fail_the_run() -> None:
    master = Master(TREE)
    fetched, problem = master.run(questions_of("state.sls", packed("base.users,none")), Held())
    assert master.asked == ["pillar", "listing", "file base/users.sls"]
    assert fetched.missing == ["none"]
    assert problem == "the SLS none is not in the environment 'base'"


def test_a_directory_is_fetched_whole() -> None:
    fetched, _ = Master(TREE).run(questions_of("cp.cache_dir", packed("salt://base")), Held())
    assert fetched.files == 1
    fetched, _ = Master(TREE).run(questions_of("cp.cache_master", packed()), Held())
    assert fetched.files == 5


def test_a_question_is_put_off_for_so_long_and_no_longer() -> None:
    job = Fetching(
        Questions(files=(Place("base", "a"),)), Held(), Shared(), Figures(), lambda: GRAINS
    )
    job.start(Moment(Instant(0.0), 0.0))
    job.on_refused(Moment(Instant(1.0), 0.0), "busy", "later")
    assert job.resume == 1.0 + module.PAUSE_S
    job.on_pause_over()
    job.on_refused(Moment(Instant(module.QUESTION_S), 0.0), "busy", "later")
    assert job.problem == "later"


def test_what_jobs_ask_for() -> None:
    assert questions_of("cmd.run", packed("salt://x")) is None
    assert questions_of("cp.cache_file", packed("/etc/hosts")) is None
    assert questions_of("cp.get_file", b"\xff nonsense") is None
    two = Place("dev", "b"), Place("qa", "c")
    assert questions_of(
        "cp.cache_files", packed("salt://b,salt://c?saltenv=qa", saltenv="dev")
    ) == (Questions("dev", files=two))
    assert questions_of("cp.cache_file", packed("salt://../etc/passwd")) is None
    pillar = questions_of("pillar.get", packed("a:b"))
    assert pillar is not None
    assert pillar.pillar == {
        "saltenv": None, "pillarenv": None, "override": None, "is_usual": True,
    }  # fmt: skip
    apply = questions_of("state.apply", packed("a,b", pillar={"x": 1}, saltenv="dev"))
    assert apply is not None
    assert (apply.sls, apply.environment, apply.needs_environments) == (("a", "b"), "dev", False)
    assert apply.pillar is not None
    assert (apply.pillar["override"], apply.pillar["is_usual"]) == ({"x": 1}, False)
    top = questions_of("state.highstate", packed())
    assert top is not None
    assert (top.sls, top.needs_environments) == ((TOP,), True)
    single = questions_of("state.single", packed("file.managed", "/x", source="salt://big"))
    assert single == Questions(files=(Place("base", "big"),))
    assert questions_of("state.running", packed()) is None


def test_names_in_an_sls_text() -> None:
    text = "include:\n  - web\n  - 'db.main'\nx:\n  pkg.installed:\n    - name: y\n    - require:\n"
    text += "      - pkg: z\n  file.managed: [{source: salt://a/b.conf}, {source: 'salt://c'}]\n"
    text += "{% set f = 'salt://{{ grains.id }}/x' %}\n"
    assert names_in(text) == Named(("web", "db.main"), ("salt://a/b.conf", "salt://c"))


def test_a_minion_remembers_no_more_than_so_many_paths() -> None:
    held = Held()
    for number in range(1_005):
        held.note("file", Place("base", str(number)), f"{number:064x}")
    assert held.digest_of("file", Place("base", "4")) == ""
    assert held.digest_of("file", Place("base", "5")) == f"{5:064x}"
