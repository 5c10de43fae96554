"""Going on with a run that was cut off."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext
from limpet.states.library.context import Chunk
from limpet.states.runner import journal
from limpet.states.runner.applying import Applying, Wishes
from limpet.states.runner.following import Asked
from limpet.states.runner.journal import Ended
from limpet.states.runner.resuming import earlier_of, resume
from support.states.state_bench import StateBench, chunk

Results = Mapping[str, Mapping[str, Any]]


class Cut(BaseException):
    """The process of the run is killed."""


class Killer:
    """Ends the run at its nth begin or end of a state."""

    def __init__(self, at: int) -> None:
        self.left = at

    def planned(self, chunks: Sequence[Chunk]) -> None:
        pass

    def begins(self, tag: str, chunk: Chunk) -> None:
        self._count()

    def ended(self, tag: str, result: Mapping[str, Any]) -> None:
        self._count()

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Cut


class Minion:
    """One place in which runs are started, killed and gone on with."""

    def __init__(self, place: Path) -> None:
        place.mkdir(exist_ok=True)
        self.bench = StateBench(place)
        self._number = 0

    def context(self) -> FunctionContext:
        functions = self.bench.context().functions
        functions.is_published = True
        self._number += 1
        functions.jid = f"01JD3Z0VQ9{self._number:016}"
        return functions

    def journal(self, jid: str) -> Path:
        return journal.directory_of(self.context().places.state_directory) / jid

    def run(self, chunks: Sequence[Chunk], at: int = 0, **wishes: Any) -> str:  # noqa: ANN401
        """Run chunks, killed at the nth step; gives the run's id."""
        context = self.context()
        try:
            self.results = Applying(context, Wishes(**wishes), Killer(at)).run(
                Asked("chunks", [dict(each) for each in chunks])
            )
        except Cut:
            self.results = {}
        return context.jid

    def resume(self, jid: str) -> dict[str, dict[str, Any]]:
        found = resume(self.context(), jid)
        assert isinstance(found, dict)
        return found

    def forget_last_end(self, jid: str) -> None:
        """Have the kill come before the last end of a state was written down."""
        path = self.journal(jid)
        frames, _ = journal.decode(path.read_bytes())
        if isinstance(frames[-1], Ended):
            path.write_bytes(b"".join(map(journal.encode, frames[:-1])))


@pytest.fixture
def minion(tmp_path: Path) -> Minion:
    return Minion(tmp_path)


def marked(results: Results) -> list[str]:
    return [tag.split("_|-")[1] for tag, each in results.items() if "__done_before__" in each]


def touch(place: Path, name: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return chunk("cmd.run", name, name=f"echo {name} >> {place}/log", **more)


def log(place: Path) -> list[str]:
    path = place / "log"
    return path.read_text().split() if path.exists() else []


def test_what_was_done_is_not_done_again(minion: Minion, tmp_path: Path) -> None:
    jid = minion.run([touch(tmp_path, name) for name in "abcd"], at=5)  # c begins
    assert log(tmp_path) == ["a", "b"]

    results = minion.resume(jid)

    assert log(tmp_path) == ["a", "b", "c", "d"]
    assert marked(results) == ["a", "b"]
    assert {each["__done_before__"] for each in results.values() if "__done_before__" in each} == {
        jid
    }
    assert [each["__run_num__"] for each in results.values()] == [0, 1, 2, 3]
    assert all(each["result"] for each in results.values())


def test_recorded_changes_set_off_what_watches_them(minion: Minion, tmp_path: Path) -> None:
    chunks = [
        touch(tmp_path, "a"),
        touch(tmp_path, "b", onchanges=[{"cmd": "a"}]),
        chunk("cmd.wait", "c", name=f"echo c >> {tmp_path}/log", watch=[{"cmd": "a"}]),
        chunk("test.nop", "quiet"),
        touch(tmp_path, "d", onchanges=[{"test": "quiet"}]),
    ]
    jid = minion.run(chunks, at=3)  # b begins

    results = minion.resume(jid)

    assert log(tmp_path) == ["a", "b", "c"]
    assert marked(results) == ["a"]


def test_what_had_failed_is_tried_again(minion: Minion, tmp_path: Path) -> None:
    chunks = [
        touch(tmp_path, "a"),
        chunk("cmd.run", "b", name=f"test -e {tmp_path}/ready", require=[{"cmd": "a"}]),
        touch(tmp_path, "c", require=[{"cmd": "b"}]),
    ]
    jid = minion.run(chunks)
    assert log(tmp_path) == ["a"]
    (tmp_path / "ready").touch()

    results = minion.resume(jid)

    assert log(tmp_path) == ["a", "c"]
    assert all(each["result"] for each in results.values())


def test_a_state_that_may_have_done_its_work_sets_off_what_watches_it(
    minion: Minion, tmp_path: Path
) -> None:
    path = tmp_path / "conf"
    chunks = [
        chunk("file.managed", "conf", name=str(path), contents="x"),
        touch(tmp_path, "restart", onchanges=[{"file": "conf"}]),
    ]
    jid = minion.run(chunks, at=2)  # conf has ended
    minion.forget_last_end(jid)
    assert path.exists()

    results = minion.resume(jid)

    assert log(tmp_path) == ["restart"]
    assert next(iter(results.values()))["changes"]["interrupted"].startswith("it was running")


def test_a_resumed_run_can_be_cut_off_and_resumed(minion: Minion, tmp_path: Path) -> None:
    chunks = [touch(tmp_path, name) for name in "abcd"]
    first = minion.run(chunks, at=3)
    context = minion.context()
    recorded = journal.read(minion.journal(first))
    assert recorded is not None
    with pytest.raises(Cut):
        Applying(context, progress=Killer(4), earlier=earlier_of(recorded, context)).run(
            Asked("chunks", recorded.opened.data)
        )
    assert log(tmp_path) == ["a", "b"]
    second = journal.read(minion.journal(context.jid))
    assert second is not None
    assert [tag.split("_|-")[1] for tag in second.done] == ["a", "b"]

    minion.resume(first)  # its journal says who went on

    assert log(tmp_path) == ["a", "b", "c", "d"]


def test_accumulated_text_is_gathered_again(minion: Minion, tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("# begin\n# end\n")
    chunks = [
        chunk(
            "file.accumulated", "lines", filename=str(path), text="10.0.0.1 db",
            require_in=[{"file": "block"}],
        ),
        touch(tmp_path, "slow"),
        chunk(
            "file.blockreplace", "block", name=str(path), marker_start="# begin",
            marker_end="# end", content="",
        ),
    ]  # fmt: skip
    jid = minion.run(chunks, at=3)  # slow begins

    minion.resume(jid)

    assert "10.0.0.1 db" in path.read_text()


def test_test_mode_and_other_wishes_hold_for_the_rest(minion: Minion, tmp_path: Path) -> None:
    jid = minion.run([touch(tmp_path, name) for name in "ab"], at=3, test=True, saltenv="dev")

    results = minion.resume(jid)

    assert [each["result"] for each in results.values()] == [None, None]
    assert log(tmp_path) == []
    recorded = journal.read(minion.journal(jid))
    assert recorded is not None
    assert recorded.opened.wishes["saltenv"] == "dev"


def test_a_tree_that_has_changed_is_told_and_gone_on_with(minion: Minion, tmp_path: Path) -> None:
    jid = minion.run([touch(tmp_path, name) for name in "abc"], at=5)
    recorded = journal.read(minion.journal(jid))
    assert recorded is not None
    frames, _ = journal.decode(minion.journal(jid).read_bytes())
    opened = frames[0]
    assert isinstance(opened, journal.Opened)
    changed = journal.Opened(
        opened.jid, opened.kind, [touch(tmp_path, name) for name in "acd"], None, False, {}, "",
        (), 0.0,
    )  # fmt: skip
    minion.journal(jid).write_bytes(b"".join(map(journal.encode, [changed, *frames[1:]])))

    results = minion.resume(jid)

    assert log(tmp_path) == ["a", "b", "c", "d"]
    (first, *_) = results.values()
    assert first["warnings"] == [
        f"the tree has changed since run {jid}: gone, and dropped: cmd.run b; new: cmd.run d"
    ]


def test_a_run_without_a_journal_says_what_to_do(minion: Minion) -> None:
    with pytest.raises(HostError, match="has no journal of run"):
        minion.resume("01JD3Z0VQ90000000000009999")
    with pytest.raises(UsageError, match="not a job id"):
        minion.resume("../../etc/passwd")


def test_a_run_whose_pillar_held_secrets_is_not_resumed_with_masks(
    minion: Minion, tmp_path: Path
) -> None:
    def mask(value: Any) -> Any:  # noqa: ANN401
        return {**value, "pillar": {"key": "***"}} if isinstance(value, dict) else value

    context = minion.context()
    context.mask = mask
    with pytest.raises(Cut):
        Applying(context, Wishes(pillar={"key": "hunter2"}), Killer(1)).run(
            Asked("chunks", [touch(tmp_path, "a")])
        )

    assert b"hunter2" not in minion.journal(context.jid).read_bytes()
    with pytest.raises(HostError, match="held secrets"):
        minion.resume(context.jid)


def test_a_run_inside_another_has_no_journal_of_its_own(minion: Minion, tmp_path: Path) -> None:
    inner = chunk("module.run", "inner", name="state.single", m_fun="test.nop", m_name="x")
    jid = minion.run([inner, touch(tmp_path, "a")])

    recorded = journal.read(minion.journal(jid))

    assert recorded is not None
    assert [tag.split("_|-")[0] for tag in recorded.done] == ["module", "cmd"]


KINDS = ("require", "watch", "onchanges", "onfail", "require_any", "watch_any", "listen")


@st.composite
def plans(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw states that need, watch or listen to earlier ones, or look ahead by prereq."""
    number = draw(st.integers(2, 7))
    found: list[dict[str, Any]] = []
    for index in range(number):
        state = draw(
            st.sampled_from(
                ["file.managed", "file.managed", "cmd.run", "cmd.wait", "test.nop",
                 "test.succeed_with_changes", "test.fail_without_changes"]
            )
        )  # fmt: skip
        more: dict[str, Any] = {}
        if index and draw(st.booleans()):
            kind = draw(st.sampled_from(KINDS))
            others = draw(st.lists(st.integers(0, index - 1), min_size=1, max_size=2, unique=True))
            more[kind] = [{found[each]["state"]: f"s{each}"} for each in others]
        found.append(chunk(state, f"s{index}", **more))
    if draw(st.booleans()):
        first = draw(st.integers(0, number - 2))
        last = draw(st.integers(first + 1, number - 1))
        if not any(each in found[last] for each in KINDS) and "listen" not in found[first]:
            found[first]["prereq"] = [{found[last]["state"]: f"s{last}"}]
    return found


def placed(chunks: Sequence[dict[str, Any]], place: Path) -> list[dict[str, Any]]:
    """Have the states write below a place."""
    found = []
    for each in chunks:
        path = f"{place}/{each['__id__']}"
        more = {"name": path, "contents": each["__id__"]} if each["state"] == "file" else {}
        if each["state"] == "cmd":
            more = {"name": f"touch {path}"}
        found.append({**each, **more})
    return found


def files(place: Path) -> dict[str, str]:
    return {each.name: each.read_text() for each in sorted(place.iterdir()) if each.name[0] == "s"}


def ends(results: object, place: Path) -> dict[str, tuple[Any, bool]]:
    assert isinstance(results, dict)
    return {
        tag.replace(str(place), ""): (each["result"], bool(each["changes"]))
        for tag, each in results.items()
    }


@settings(max_examples=40, deadline=None)
@given(chunks=plans(), at=st.integers(1, 16), is_unwritten=st.booleans())
def test_a_run_that_is_cut_off_anywhere_and_resumed_ends_as_one_that_was_not(
    tmp_path_factory: pytest.TempPathFactory,
    chunks: list[dict[str, Any]],
    at: int,
    is_unwritten: bool,
) -> None:
    here, there = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("cut")
    whole, cut = Minion(here), Minion(there)
    whole.run(placed(chunks, here))
    jid = cut.run(placed(chunks, there), at=at)
    if not cut.results and is_unwritten:
        cut.forget_last_end(jid)
    recorded = journal.read(cut.journal(jid))
    assert recorded is not None

    resumed = cut.resume(jid)

    expected, found = ends(whole.results, here), ends(resumed, there)
    in_doubt = [tag.replace(str(there), "") for tag in recorded.running]
    if all(expected[tag][1] for tag in in_doubt):
        assert files(there) == files(here)
        assert found == expected
    else:  # it counts as changed though it was not: more is set off, and may fail
        assert set(expected) <= set(found)
