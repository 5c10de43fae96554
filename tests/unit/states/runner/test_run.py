"""Runs of low chunks: what runs, in which order, and how each ends."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from support.states.state_bench import StateBench, chunk, ends, ran


def test_a_result_has_salts_shape(bench: StateBench) -> None:
    (result,) = bench.run(chunk("test.succeed_with_changes", "a")).values()

    assert result.keys() == {
        "name", "changes", "result", "comment", "__id__", "__sls__", "__run_num__", "duration",
        "start_time",
    }  # fmt: skip
    assert result["__sls__"] == "main"


def test_what_requires_a_failed_state_fails_and_names_it(bench: StateBench) -> None:
    found = bench.run(
        chunk("test.fail_without_changes", "bad"),
        chunk("test.nop", "b", require=[{"test": "bad"}]),
        chunk("test.nop", "c"),
    )

    assert ends(found) == {"bad": False, "b": False, "c": True}
    assert found["b"]["comment"] == "One or more requisite failed: main.bad"
    assert ran(found) == ["bad", "c"]


def test_what_is_needed_runs_first_whatever_the_order_says(bench: StateBench) -> None:
    found = bench.run(chunk("test.nop", "a", require=[{"test": "b"}]), chunk("test.nop", "b"))

    assert list(found) == ["b", "a"]


def test_states_that_need_each_other_fail_and_the_run_goes_on(bench: StateBench) -> None:
    found = bench.run(
        chunk("test.nop", "a", require=["b"]),
        chunk("test.nop", "b", require=["a"]),
        chunk("test.nop", "c"),
    )

    assert found["c"]["result"] is True
    assert False in (found["a"]["result"], found["b"]["result"])


def test_a_state_that_raises_is_failed_with_its_trace(
    bench: StateBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from limpet.states.library import registry

    def broken(*_arguments: object) -> None:
        raise ValueError("broken on purpose")

    monkeypatch.setattr(registry, "call", broken)
    found = bench.run(chunk("test.nop", "a"), chunk("test.nop", "b"))

    assert ends(found) == {"a": False, "b": False}
    assert found["a"]["comment"].startswith("An exception occurred in this state: Traceback")
    assert found["a"]["comment"].rstrip().endswith("ValueError: broken on purpose")


def test_an_unknown_function_is_told_as_salt_tells_it(bench: StateBench) -> None:
    (result,) = bench.run(chunk("file.mangaed", "a")).values()

    assert result["result"] is False
    assert result["comment"] == (
        "State 'file.mangaed' was not found in SLS 'main'\n"
        "Reason: 'file.mangaed' is not available; did you mean 'file.managed'?\n"
    )


def test_a_missing_argument_and_a_wrong_name_are_failures(bench: StateBench) -> None:
    found = bench.run(chunk("file.symlink", "a"), chunk("test.nop", "b", name=5))

    comments = [each["comment"] for each in found.values()]
    assert comments == [
        "Missing parameter target for state file.symlink\n",
        "ID '5' in SLS 'main' is not formed as a string, but is a int\n",
    ]


def test_odd_arguments_are_dropped_with_a_warning_where_salt_has_one(
    bench: StateBench, tmp_path: Path
) -> None:
    (tmp_path / "f").write_text("x\n")
    found = bench.run(
        chunk("test.nop", "a", colour="red"),
        chunk("file.replace", "b", name=str(tmp_path / "f"), pattern="x", repl="x", colour="red"),
    )

    assert ends(found) == {"a": True, "b": True}
    assert "warnings" not in found["a"]
    assert found["b"]["warnings"] == ["'colour': no argument of file.replace, and ignored"]


def test_watch_calls_mod_watch_only_after_changes(bench: StateBench) -> None:
    found = bench.run(
        chunk("test.succeed_with_changes", "loud"),
        chunk("test.nop", "quiet"),
        chunk("cmd.wait", "w1", name="echo 1", watch=[{"test": "loud"}]),
        chunk("cmd.wait", "w2", name="echo 2", watch=[{"test": "quiet"}]),
        chunk("file.exists", "w3", name="/", watch=[{"test": "loud"}]),
    )

    assert found["w1"]["changes"]["stdout"] == "1"
    assert found["w2"]["changes"] == found["w3"]["changes"] == {}
    assert set(ends(found).values()) == {True}


def test_listeners_run_at_the_end_once_each(bench: StateBench) -> None:
    found = bench.run(
        chunk("cmd.wait", "l", name="echo l", listen=[{"test": "a"}, {"test": "b"}]),
        chunk("test.succeed_with_changes", "a"),
        chunk("test.succeed_with_changes", "b", listen_in=[{"cmd": "l"}]),
        chunk("test.nop", "c", listen_in=[{"cmd": "l"}]),
    )

    assert list(found) == ["l", "a", "b", "c", "listener_l"]
    assert found["listener_l"]["changes"]["stdout"] == "l"


def test_failhard_ends_the_run_and_what_has_changed_is_still_told_to_its_listeners(
    bench: StateBench,
) -> None:
    chunks = [
        chunk("test.succeed_with_changes", "a", listen_in=[{"cmd": "l"}]),
        chunk("cmd.wait", "l", name="echo l"),
        chunk("test.fail_without_changes", "bad", failhard=True),
        chunk("test.nop", "z"),
    ]

    assert list(bench.run(*chunks)) == ["a", "l", "bad", "listener_l"]
    assert "z" in bench.run(*chunks, is_test=True)


def test_a_state_that_is_listened_to_and_is_not_there_is_a_failure(bench: StateBench) -> None:
    done = bench.run(chunk("cmd.wait", "l", name="echo l", listen=[{"test": "nosuch"}]))

    error = done["listen_test:nosuch"]
    assert error["result"] is False
    assert error["comment"] == "Referenced state test: nosuch does not exist"


def test_failhard_for_all_may_be_refused_by_one(bench: StateBench) -> None:
    found = bench.run(
        chunk("test.fail_without_changes", "x", failhard=False),
        chunk("test.fail_without_changes", "y"),
        chunk("test.nop", "z"),
        is_failhard=True,
    )

    assert list(found) == ["x", "y"]


def test_prereq_runs_first_and_only_if_the_other_would_change(
    bench: StateBench, tmp_path: Path
) -> None:
    conf = chunk("file.managed", "conf", name=str(tmp_path / "conf"), contents="v1")
    stop = chunk("test.succeed_with_changes", "stop", prereq=[{"file": "conf"}])

    first = bench.run(conf, stop, conf)
    second = bench.run(conf, stop, conf)

    assert list(first) == list(second) == ["stop", "conf"]
    assert first["stop"]["changes"]
    assert second["stop"]["comment"] == "No changes detected"
    assert second["stop"]["__state_ran__"] is False


def test_retry_tries_until_it_is_well(bench: StateBench, tmp_path: Path) -> None:
    log = tmp_path / "log"
    (result,) = bench.run(
        chunk(
            "cmd.run",
            "r",
            name=f"echo x >> {log}; test $(wc -l < {log}) -ge 2",
            retry={"attempts": 5, "interval": 0},
        )
    ).values()

    assert result["result"] is True
    assert log.read_text() == "x\nx\n"
    assert result["comment"].startswith('Attempt 1: Returned a result of "False"')


def test_retry_only_says_so_in_test_mode(bench: StateBench) -> None:
    (result,) = bench.run(chunk("test.nop", "r", retry=True), is_test=True).values()

    assert "retried every 30 seconds" in result["comment"]


def test_parallel_states_run_beside_the_others(bench: StateBench, tmp_path: Path) -> None:
    meet = tmp_path / "meet"
    wait = f"for i in $(seq 200); do test -e {meet} && exit 0; sleep 0.05; done; exit 1"
    found = bench.run(
        chunk("cmd.run", "waits", name=wait, parallel=True),
        chunk("cmd.run", "comes", name=f"touch {meet}", parallel=True),
        chunk("test.nop", "after", require=[{"cmd": "waits"}]),
    )

    assert ends(found) == {"waits": True, "comes": True, "after": True}
    assert found["waits"]["__parallel__"] is True


def test_a_parallel_state_that_fails_fails_what_requires_it(bench: StateBench) -> None:
    found = bench.run(
        chunk("cmd.run", "p", name="exit 3", parallel=True),
        chunk("test.nop", "after", require=[{"cmd": "p"}], parallel=True),
    )

    assert ends(found) == {"p": False, "after": False}


def test_a_parallel_state_may_be_set_off_by_what_it_watches(bench: StateBench) -> None:
    found = bench.run(
        chunk("test.succeed_with_changes", "loud"),
        chunk("cmd.wait", "w", name="echo w", watch=[{"test": "loud"}], parallel=True),
        chunk("test.nop", "after", onchanges=[{"cmd": "w"}]),
    )

    assert found["w"]["changes"]["stdout"] == "w"
    assert found["after"].get("__state_ran__", True)


def test_only_chosen_states_run_with_what_they_need(tmp_path: Path) -> None:
    from limpet.states.runner.run import Run

    run = Run(StateBench(tmp_path).context())
    chunks = [
        chunk("test.nop", "one"),
        chunk("test.nop", "two", require=[{"test": "one"}]),
        chunk("test.nop", "three"),
    ]

    results = run.apply(chunks, lambda each: each["__id__"] == "two")

    assert [each["__id__"] for each in results.values()] == ["one", "two"]


def test_a_follower_is_told_of_every_state(bench: StateBench) -> None:
    told: list[tuple[str, Any]] = []

    class Follower:
        def planned(self, chunks: Sequence[Mapping[str, Any]]) -> None:
            told.append(("planned", len(chunks)))

        def begins(self, tag: str, chunk: Mapping[str, Any]) -> None:
            told.append(("begins", chunk["__id__"]))

        def ended(self, tag: str, result: Mapping[str, Any]) -> None:
            told.append(("ended", result["__id__"]))

    bench.run(
        chunk("test.nop", "a"),
        chunk("test.nop", "b", onchanges=[{"test": "a"}]),
        chunk("test.nop", "p", parallel=True),
        progress=Follower(),
    )

    assert told == [
        ("planned", 3),
        ("begins", "a"), ("ended", "a"), ("ended", "b"), ("begins", "p"), ("ended", "p"),
    ]  # fmt: skip


def test_a_state_may_reload_grains(bench: StateBench) -> None:
    context = bench.context()
    loads: list[int] = []

    def load(_context: object) -> dict[str, Any]:
        loads.append(1)
        return {"n": len(loads)}

    context.functions.load_grains = load
    assert context.grains["n"] == 1

    from limpet.states.runner.run import Run

    Run(context).apply([chunk("test.nop", "a", reload_grains=True)])

    assert context.grains["n"] == 2


def test_umask_holds_for_one_state(bench: StateBench, tmp_path: Path) -> None:
    bench.run(
        chunk("file.managed", "a", name=str(tmp_path / "a"), contents="x", umask="077"),
        chunk("file.managed", "b", name=str(tmp_path / "b"), contents="x"),
    )

    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "b").stat().st_mode & 0o777 != 0o600


def test_a_module_that_waits_is_called_after_changes(bench: StateBench) -> None:
    loud = chunk("test.succeed_with_changes", "loud")
    found = bench.run(
        loud,
        chunk("module.wait", "new", watch=[{"test": "loud"}], **{"test.echo": ["hi"]}),
        chunk("module.wait", "old", name="test.echo", text="ho", watch=[{"test": "loud"}]),
        chunk("module.wait", "idle", **{"test.echo": ["hi"]}),
    )

    assert found["new"]["changes"] == {"test.echo": "hi"}
    assert found["old"]["changes"] == {"ret": "ho"}
    assert found["idle"]["changes"] == {}


def test_test_states_say_what_set_them_off(bench: StateBench) -> None:
    found = bench.run(
        chunk("test.succeed_with_changes", "loud"),
        chunk("test.nop", "quiet"),
        chunk("test.nop", "w", watch=[{"test": "loud"}, {"test": "quiet"}]),
    )

    assert found["w"]["changes"] == {"Requisites with changes": ["test: loud"]}
