"""`file.cached`, `file.not_cached`, `file.mknod`, and files of web servers in `file.managed`."""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from limpet.states.context import FunctionContext, Places
from limpet.states.host.machine import ThisMachine
from limpet.states.library import registry
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome
from limpet.states.runner.applying import Applying, tree_of
from support.fakes.host import make_context
from support.fakes.sources import FakeSources
from support.fakes.web_server import WebServer

HELLO = b"hello\n"
DIGEST = hashlib.sha256(HELLO).hexdigest()


class Bench:
    """States on what a master serves; each call is a job of its own."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.sources = FakeSources({"base": {"hello": HELLO, "tpl": b"{{ x }}\n"}})

    def functions(self) -> FunctionContext:
        made = make_context(grains={"id": "web1"}, sources=self.sources)
        made.host = ThisMachine()
        made.is_published = False
        made.places = Places(self.place / "c", self.place / "g", self.place / "state")
        return made

    def context(self, *, is_test: bool = False) -> StateContext:
        functions = self.functions()
        tree = tree_of(functions, lambda: Applying(functions).compilation.renderers)
        return StateContext(functions=functions, tree=tree, is_test=is_test)

    def call(self, called: str, /, *, is_test: bool = False, **arguments: Any) -> Outcome:  # noqa: ANN401
        function = registry.find(called)
        assert function is not None
        return registry.call(function, self.context(is_test=is_test), arguments)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    monkeypatch.delenv("http_proxy", raising=False)
    with WebServer({"/hello": HELLO, "/sums": f"{DIGEST}  hello\n".encode()}) as made:
        yield made


def test_a_file_of_the_tree_is_cached(bench: Bench) -> None:
    place = f"{bench.place}/state/cache/files/base/hello"

    would = bench.call("file.cached", is_test=True, name="salt://hello")
    first = bench.call("file.cached", name="salt://hello")
    again = bench.call("file.cached", name="salt://hello")

    assert (would.result, would.comment) == (
        None,
        "No hash found. File will be cached: salt://hello",
    )
    assert first.changes == {"hash": {"old": None, "new": DIGEST}}
    assert (again.result, again.comment, again.changes) == (True, f"File is cached to {place}", {})
    assert Path(place).read_bytes() == HELLO
    assert bench.call("file.cached", name="salt://gone").result is False


def test_a_file_of_the_web_is_cached_with_its_checksum(bench: Bench, server: WebServer) -> None:
    name = f"{server.address}/hello"

    unsafe = bench.call("file.cached", name=name)
    first = bench.call("file.cached", name=name, source_hash=f"{server.address}/sums")
    again = bench.call("file.cached", name=name, source_hash=DIGEST)
    wrong = bench.call("file.cached", name=name, source_hash="0" * 64)

    assert "please set source_hash or set skip_verify" in str(unsafe.comment)
    assert (first.result, first.changes) == (True, {"hash": {"old": None, "new": DIGEST}})
    assert str(again.comment).endswith(f"with hash {DIGEST}")
    assert wrong.result is False
    assert f"has the sha256 checksum {DIGEST}, not {'0' * 64}" in str(wrong.comment)


def test_a_file_of_this_machine_is_only_looked_at(bench: Bench) -> None:
    path = bench.place / "here"
    path.write_bytes(HELLO)

    assert bench.call("file.cached", name=str(path)).result is True
    assert bench.call("file.cached", name=f"file://{path}", source_hash=DIGEST).result is True
    assert bench.call("file.cached", name=str(path), source_hash="0" * 64).result is False
    assert bench.call("file.cached", name="/gone").result is False
    assert bench.call("file.cached", name="foo://x").comment == "Unsupported url scheme: foo://x"
    assert bench.call("file.not_cached", name=str(path)).result is True
    assert path.exists()


@pytest.mark.parametrize("kind", ["salt", "web"])
def test_what_is_cached_can_be_thrown_away(bench: Bench, server: WebServer, kind: str) -> None:
    name = "salt://hello" if kind == "salt" else f"{server.address}/hello"
    place = str(bench.call("file.cached", name=name, skip_verify=True).comment).split()[-1]

    would = bench.call("file.not_cached", is_test=True, name=name)
    assert (would.result, would.changes) == (None, {"deleted": True})
    assert Path(place).exists()
    done = bench.call("file.not_cached", name=name)
    assert (done.result, done.comment) == (True, f"{place} was deleted")
    assert not Path(place).exists()
    assert bench.call("file.not_cached", name=name).comment == f"{name} is not cached"


# file.managed on sources that are not here


def test_a_managed_file_comes_from_the_master_and_stays_where_it_is_right(bench: Bench) -> None:
    name = f"{bench.place}/f"

    made = bench.call("file.managed", name=name, source="salt://hello", mode="keep")
    moved = bench.sources.bytes_moved
    again = bench.call("file.managed", name=name, source="salt://hello", mode="keep")

    assert (made.changes, again.changes) == ({"diff": "New file", "mode": "0644"}, {})
    assert Path(name).read_bytes() == HELLO
    assert bench.sources.bytes_moved == moved


def test_a_file_that_is_right_is_never_fetched_even_by_an_empty_cache(bench: Bench) -> None:
    bench.sources.inline_bytes_max = 0
    Path(bench.place / "f").write_bytes(HELLO)

    outcome = bench.call("file.managed", name=f"{bench.place}/f", source="salt://hello")

    assert (outcome.result, outcome.changes) == (True, {})
    assert bench.sources.bytes_moved == 0


def test_a_master_that_is_away_fails_the_state_and_leaves_the_file(bench: Bench) -> None:
    Path(bench.place / "f").write_bytes(b"old\n")
    bench.sources.is_away = True

    outcome = bench.call("file.managed", name=f"{bench.place}/f", source="salt://hello")

    assert outcome.result is False
    assert "no answer from the master for 120 s" in str(outcome.comment)
    assert Path(bench.place / "f").read_bytes() == b"old\n"


def test_a_template_of_the_master_is_rendered(bench: Bench) -> None:
    name = f"{bench.place}/f"

    bench.call(
        "file.managed", name=name, source="salt://tpl", template="jinja", context={"x": "seen"}
    )

    assert Path(name).read_text() == "seen\n"


def test_a_folder_moves_only_what_differs(bench: Bench) -> None:
    bench.sources.files["base"] |= {"d/a": b"a\n", "d/s/b": b"b\n", "e/a": b"other\n"}
    name = f"{bench.place}/d"
    bench.call("file.recurse", name=name, source="salt://d")
    bench.sources.bytes_moved = bench.sources.bodies_sent = 0
    bench.sources.files["base"]["d/a"] = b"changed\n"

    outcome = bench.call("file.recurse", name=name, source="salt://d")

    assert list(outcome.changes) == [f"{name}/a"]
    assert Path(f"{name}/a").read_bytes() == b"changed\n"
    assert bench.sources.bodies_sent == 1


def test_several_folders_may_be_merged(bench: Bench) -> None:
    bench.sources.files["base"] |= {"d/a": b"first\n", "e/a": b"second\n", "e/b": b"b\n"}

    bench.call("file.recurse", name=f"{bench.place}/one", source=["salt://d", "salt://e"])
    bench.call(
        "file.recurse", name=f"{bench.place}/all", source=["salt://d", "salt://e"], merge=True
    )

    assert sorted(os.listdir(bench.place / "one")) == ["a"]
    assert (bench.place / "all/a").read_bytes() == b"first\n"
    assert (bench.place / "all/b").read_bytes() == b"b\n"


def test_a_file_of_the_web_is_managed_and_fetched_once(bench: Bench, server: WebServer) -> None:
    for _ in range(3):
        outcome = bench.call(
            "file.managed",
            name=f"{bench.place}/f",
            source=f"{server.address}/hello",
            source_hash=f"{server.address}/sums",
        )
        assert outcome.result is True

    assert Path(bench.place / "f").read_bytes() == HELLO
    assert server.paths().count("/hello") == 1


def test_a_file_of_the_web_that_is_not_what_it_should_be_is_not_placed(
    bench: Bench, server: WebServer
) -> None:
    server.files["/hello"] = b"evil\n"

    outcome = bench.call(
        "file.managed",
        name=f"{bench.place}/f",
        source=f"{server.address}/hello",
        source_hash=DIGEST,
    )

    assert outcome.result is False
    assert "does not match actual checksum" in str(outcome.comment)
    assert not Path(bench.place / "f").exists()


def test_of_several_sources_one_that_answers_is_taken(bench: Bench, server: WebServer) -> None:
    outcome = bench.call(
        "file.managed",
        name=f"{bench.place}/f",
        source=["http://127.0.0.1:1/x", f"{server.address}/gone", f"{server.address}/hello"],
        skip_verify=True,
    )

    assert outcome.result is True
    assert Path(bench.place / "f").read_bytes() == HELLO


def test_a_missing_file_of_the_web_fails_test_runs_too(bench: Bench, server: WebServer) -> None:
    outcome = bench.call(
        "file.managed",
        is_test=True,
        name=f"{bench.place}/f",
        source=f"{server.address}/gone",
        skip_verify=True,
    )

    assert outcome.result is False
    assert f"Failed to cache {server.address}/gone" in str(outcome.comment)


def test_a_source_that_need_not_be_kept_is_not(bench: Bench, server: WebServer) -> None:
    bench.call(
        "file.managed",
        name=f"{bench.place}/f",
        source=f"{server.address}/hello",
        source_hash=DIGEST,
        keep_source=False,
    )

    assert [
        path for path in (bench.place / "state").rglob("extrn_files/**/*") if path.is_file()
    ] == []
    assert Path(bench.place / "f").read_bytes() == HELLO


# file.mknod


def test_a_pipe_is_made_and_kept(bench: Bench) -> None:
    name = f"{bench.place}/deep/pipe"

    would = bench.call("file.mknod", is_test=True, name=name, ntype="p")
    made = bench.call("file.mknod", name=name, ntype="p", mode="0640")
    again = bench.call("file.mknod", name=name, ntype="p", mode="0640")
    changed = bench.call("file.mknod", name=name, ntype="p")

    assert (would.result, would.comment) == (None, f"Fifo pipe {name} is set to be created")
    assert made.changes == {"new": f"Fifo pipe {name} created."}
    assert again.comment == f"Fifo pipe {name} is in the correct state"
    assert (changed.result, changed.changes) == (True, {"mode": "0600"})
    assert stat.S_ISFIFO(os.stat(name).st_mode)


def test_a_node_never_replaces_what_is_there(bench: Bench) -> None:
    (bench.place / "f").write_text("mine")

    for arguments, complaint in (
        ({"name": f"{bench.place}/f", "ntype": "p"}, "is not a fifo pipe. Refusing"),
        ({"name": "/dev/null", "ntype": "b"}, "is not a block device. Refusing"),
        (
            {"name": "/dev/null", "ntype": "c", "major": 9, "minor": 9},
            "exists and has a different major/minor 1/3. Refusing to continue",
        ),
        ({"name": f"{bench.place}/x", "ntype": "q"}, "Node type unavailable: 'q'"),
        ({"name": "x", "ntype": "p"}, "is not an absolute path"),
        ({"name": f"{bench.place}/x", "ntype": "p", "user": "no-such"}, "User no-such"),
    ):
        outcome = bench.call("file.mknod", **arguments)
        assert outcome.result is False
        assert complaint in str(outcome.comment)
    assert (bench.place / "f").read_text() == "mine"
