"""The `git` states on real repositories; results, changes and comments are Salt's own."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.states.state_bench import StateBench

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="this machine has no git")


def git(place: Path, *words: str) -> str:
    who = ["-c", "user.name=n", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
    ran = subprocess.run(
        ["git", *who, *words], cwd=place, check=True, capture_output=True, text=True
    )
    return ran.stdout.strip()


def commit(place: Path, name: str, text: str) -> str:
    (place / name).write_text(text)
    git(place, "add", name)
    git(place, "commit", "-qm", text)
    return git(place, "rev-parse", "HEAD")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StateBench:
    """Give a machine with a repository `up`: main with two commits, a tag, a branch dev."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    up = tmp_path / "up"
    up.mkdir()
    git(up, "init", "-q", "-b", "main")
    commit(up, "f", "1\n")
    git(up, "tag", "v1")
    commit(up, "f", "2\n")
    git(up, "checkout", "-q", "-b", "dev")
    commit(up, "g", "d\n")
    git(up, "checkout", "-q", "main")
    return StateBench(tmp_path)


class Place:
    """The two ends, and the state that is to join them."""

    def __init__(self, bench: StateBench, state: str = "git.latest") -> None:
        self.bench, self.state = bench, state
        self.up, self.co = bench.place / "up", bench.place / "co"

    def call(self, *, is_test: bool = False, **more: Any) -> Any:  # noqa: ANN401
        asked = {"name": str(self.up), "target": str(self.co), **more}
        return self.bench.call(self.state, is_test=is_test, **asked)

    def head(self, rev: str = "HEAD") -> str:
        return git(self.co, "rev-parse", rev)

    def law(self, **more: Any) -> Any:  # noqa: ANN401
        """Hold a run against its announcement, and against a second run."""
        announced = self.call(is_test=True, **more)
        done = self.call(**more)
        again = self.call(**more)
        assert done.result is True, done
        assert announced.result is (None if done.changes else True), announced
        assert bool(announced.changes) == bool(done.changes)
        assert (again.result, dict(again.changes)) == (True, {}), again
        return done


@pytest.mark.parametrize(
    ("more", "branch", "follows", "rev"),
    [
        ({}, "main", "origin/main", "main"),
        ({"rev": "main"}, "main", "origin/main", "main"),
        ({"rev": "dev"}, "main", "origin/dev", "dev"),
        ({"rev": "dev", "branch": "local"}, "local", "origin/dev", "dev"),
        ({"rev": "v1"}, "main", "", "v1"),
        ({"rev": "v1", "branch": "rel"}, "rel", "", "v1"),
        ({"rev": "main", "depth": 1}, "main", "origin/main", "main"),
        ({"rev": "main", "remote": "upstream"}, "main", "upstream/main", "main"),
    ],
)
def test_a_clone_is_made_once(
    bench: StateBench, more: dict[str, Any], branch: str, follows: str, rev: str
) -> None:
    place = Place(bench)

    done = place.law(**more)

    wanted = git(place.up, "rev-parse", rev)
    assert done.changes == {
        "new": f"{place.up} => {place.co}",
        "revision": {"old": None, "new": wanted},
    }
    assert place.head() == wanted
    assert git(place.co, "symbolic-ref", "--short", "HEAD") == branch
    status = git(place.co, "status", "-sb").splitlines()[0]
    assert status == (f"## {branch}...{follows}" if follows else f"## {branch}")


def test_what_is_new_is_fetched_and_forwarded(bench: StateBench) -> None:
    place = Place(bench)
    place.call()
    old = place.head()
    new = commit(place.up, "f", "3\n")

    announced = place.call(is_test=True, rev="main")
    done = place.law(rev="main")

    assert announced.comment == (
        f"Remote 'origin' would be fetched. Repository would be updated from {old[:7]} to "
        f"{new[:7]}."
    )
    assert done.changes == {"revision": {"old": old, "new": new}}
    assert done.comment == (
        f"{place.up} was fetched, resulting in updated refs. Repository was fast-forwarded to "
        f"origin/main ({new[:7]})."
    )


def test_a_head_may_be_left_where_it_is(bench: StateBench) -> None:
    place = Place(bench)
    place.call()
    old = place.head()
    commit(place.up, "f", "3\n")

    outcome = place.call(rev="main", update_head=False)

    assert (outcome.result, outcome.changes, place.head()) == (True, {}, old)


def test_changes_that_are_not_committed_are_kept_unless_told(bench: StateBench) -> None:
    place = Place(bench)
    place.call()
    (place.co / "f").write_text("mine\n")

    kept = place.call(rev="main")
    assert (kept.result, kept.changes) == (True, {})
    assert "uncommitted changes" in kept.comment
    commit(place.up, "f", "3\n")
    refused = place.call(rev="main")
    assert (refused.result, refused.changes) == (False, {})
    assert "force_reset" in refused.comment
    assert (place.co / "f").read_text() == "mine\n"

    done = place.law(rev="main", force_reset="remote-changes")
    assert "Uncommitted changes were discarded" in done.comment
    assert (place.co / "f").read_text() == "3\n"
    (place.co / "f").write_text("mine\n")
    assert place.law(rev="main", force_reset=True).changes == {"forced update": True}


def test_histories_that_part_are_reset_only_by_force(bench: StateBench) -> None:
    place = Place(bench)
    place.call()
    mine = commit(place.co, "h", "mine\n")
    new = commit(place.up, "f", "3\n")

    refused = place.call(rev="main")
    assert refused.result is False
    assert "not a fast-forward" in refused.comment
    done = place.law(rev="main", force_reset=True)

    assert done.changes == {"forced update": True, "revision": {"old": mine, "new": new}}


def test_tags_are_brought_and_taken_along(bench: StateBench) -> None:
    place = Place(bench)
    place.call()
    git(place.up, "tag", "v3")
    git(place.up, "tag", "-d", "v1")

    assert place.law(rev="main").changes == {"new_tags": ["v3"], "deleted_tags": ["v1"]}
    assert git(place.co, "tag") == "v3"


def test_another_address_is_taken_over(bench: StateBench) -> None:
    place = Place(bench)
    place.call()
    git(place.co, "remote", "set-url", "origin", "/elsewhere")

    outcome = place.call(rev="main")

    assert outcome.result is True
    assert outcome.comment.endswith(f"Remote 'origin' changed from /elsewhere to {place.up}")
    assert git(place.co, "remote", "get-url", "origin") == str(place.up)


@pytest.mark.parametrize("kind", ["bare", "mirror"])
def test_a_bare_repository_gets_what_is_new(bench: StateBench, kind: str) -> None:
    place = Place(bench)
    more: dict[str, Any] = {kind: True}
    assert place.law(**more).changes["new"]
    old, new = place.head("main"), commit(place.up, "f", "3\n")

    assert place.law(**more).changes == {"revision": {"old": old, "new": new}}
    assert place.head("main") == new


def test_what_stands_in_the_way_is_told(bench: StateBench) -> None:
    place = Place(bench)
    nope = place.call(rev="nope")
    assert nope.comment == "No revision matching 'nope' exists in the remote repository"
    assert "not an absolute path" in place.call(target="rel").comment
    gone = place.call(name=str(bench.place / "gone"))
    assert gone.comment.startswith("Failed to check remote refs: fatal: ")
    place.co.mkdir()
    (place.co / "x").write_text("")
    assert "force_clone" in place.call().comment
    assert place.call(user="no-such-user").comment == "User 'no-such-user' does not exist"

    done = place.law(force_clone=True)
    assert done.changes["forced clone"] is True
    assert not (place.co / "x").exists()
    shutil.rmtree(place.co)
    place.co.write_text("")
    assert "is a regular file" in place.call().comment


def test_passwords_stand_in_no_message(bench: StateBench) -> None:
    place = Place(bench)

    asked: tuple[dict[str, Any], ...] = (
        {"name": "https://joe:hush@127.0.0.1:1/x"},
        {"name": "https://127.0.0.1:1/x", "https_user": "joe", "https_pass": "hush"},
    )
    for more in asked:
        outcome = place.call(**more)
        assert outcome.result is False
        assert "hush" not in f"{outcome.comment}{outcome.changes}"
        assert "127.0.0.1:1" in outcome.comment


def test_a_clone_stays_as_it_is_once_made(bench: StateBench) -> None:
    place = Place(bench, "git.cloned")

    assert place.law().changes == {"new": f"{place.up} => {place.co}"}
    commit(place.up, "f", "3\n")
    assert place.call().comment == f"Repository already exists at {place.co}"
    assert place.law(branch="dev").changes == {"branch": {"old": "main", "new": "dev"}}
    assert place.call(branch="nope").comment.startswith("Failed to change branch to 'nope': ")
    assert "must be absolute" in place.call(target="rel").comment


def test_a_revision_is_checked_out_on_no_branch(bench: StateBench) -> None:
    place = Place(bench, "git.detached")
    tag = git(place.up, "rev-parse", "v1")

    assert place.law(rev="v1").changes == {"HEAD": {"old": None, "new": tag}}
    new = commit(place.up, "f", "3\n")
    assert place.law(rev="main").changes == {"HEAD": {"old": tag, "new": new}}
    assert git(place.co, "branch", "--show-current") == ""
    assert place.call(rev="nope").comment == "Revision 'nope' does not exist"
    (place.co / "f").write_text("mine\n")
    assert place.call(rev="v1").result is False
    assert place.law(rev="v1", force_checkout=True).changes["HEAD"]["new"] == tag


def test_an_empty_repository_is_made(bench: StateBench) -> None:
    name = str(bench.place / "new")
    for more in ({"bare": True}, {"bare": False}):
        announced = bench.call("git.present", is_test=True, name=name, **more)
        done = bench.call("git.present", name=name, **more)
        assert (announced.result, done.result) == (None, True)
        assert announced.changes == done.changes == {"new": name}
        assert bench.call("git.present", name=name, **more).changes == {}
        shutil.rmtree(name)
    Path(name).mkdir()
    (Path(name) / "x").write_text("")
    assert bench.call("git.present", name=name).result is False
    assert bench.call("git.present", name=name, force=True).changes["forced init"] is True


def test_configuration_is_set_and_unset(bench: StateBench) -> None:
    repo = str(bench.place / "up")

    def law(state: str, **asked: Any) -> Any:  # noqa: ANN401
        announced = bench.call(state, is_test=True, repo=repo, **asked)
        done = bench.call(state, repo=repo, **asked)
        assert (announced.result, done.result) == (None, True), (announced, done)
        assert announced.changes
        assert bench.call(state, repo=repo, **asked).changes == {}
        return done.changes

    assert law("git.config_set", name="a.b", value=True) == {"a.b": {"old": None, "new": ["True"]}}
    assert law("git.config_set", name="a.b", multivar=["1", "2"]) == {
        "a.b": {"old": ["True"], "new": ["1", "2"]}
    }
    refused = bench.call("git.config_unset", name="a.b", repo=repo)
    assert (refused.result, "'all'" in str(refused.comment)) == (False, True)
    assert law("git.config_unset", name="a.b", value_regex="1") == {"a.b": ["1"]}
    assert law("git.config_unset", name=r"a\..*", all=True) == {"a.b": ["2"]}
    for wrong in ({"value": "1"}, {"repo": repo}, {"repo": repo, "value": "1", "multivar": ["2"]}):
        assert bench.call("git.config_set", name="a.b", **wrong).result is False


def test_functions_look_and_change(bench: StateBench) -> None:
    up = str(bench.place / "up")

    def call(name: str, *positional: Any, **keyword: Any) -> Any:  # noqa: ANN401
        return bench.context().call(f"git.{name}", *positional, **keyword)

    head = git(bench.place / "up", "rev-parse", "HEAD")
    assert call("revision", up) == call("rev_parse", up, "main") == head
    assert call("revision", up, short=True) == head[:7]
    assert call("current_branch", up) == "main"
    assert call("list_branches", up) == ["dev", "main"]
    assert call("list_tags", up) == ["v1"]
    assert call("status", up) == {}
    (bench.place / "up/new").write_text("")
    assert call("status", up) == {"untracked": ["new"]}
    assert call("ls_remote", remote=up, ref="main") == {"refs/heads/main": head}
    assert call("clone", f"{up}2", up) is True
    assert call("remotes", f"{up}2") == {"origin": {"fetch": up, "push": up}}
    url = call("remote_set", f"{up}2", "https://h/x", "two", https_user="joe", https_pass="p@s")
    assert url == {"fetch": "https://<redacted>@h/x", "push": "https://<redacted>@h/x"}
    assert "joe:p%40s@h" in (bench.place / "up2/.git/config").read_text()
    new = commit(bench.place / "up", "f", "3\n")
    assert call("fetch", f"{up}2", "origin") == {
        "updated branches": {"origin/main": {"old": head[:7], "new": new[:7]}}
    }
    assert call("merge_base", f"{up}2", ["main", "origin/main"]) == head
    assert call("merge_base", f"{up}2", ["main", "origin/main"], is_ancestor=True) is True
    assert "Fast-forward" in call("merge", f"{up}2", "origin/main")
    assert call("checkout", f"{up}2", opts="-b x") == "Switched to a new branch 'x'"
    assert call("symbolic_ref", f"{up}2", "HEAD") == "refs/heads/x"
    assert "HEAD is now at" in call("reset", f"{up}2", opts="--hard v1")
    assert call("diff", f"{up}2", "v1", "main").startswith("diff --git a/f b/f")
    assert call("is_worktree", f"{up}2") is False
    assert call("version", versioninfo=True)[0] >= 2
