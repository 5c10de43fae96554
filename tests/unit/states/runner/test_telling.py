"""Records of how far a run is, in its live output."""

import json
import time
from typing import Any

from limpet.states.runner.telling import ID_CHARACTERS_MAX, RECORD_BYTES_MAX, Teller
from support.states.state_bench import StateBench, chunk


def result(**more: object) -> dict[str, Any]:
    return {"result": True, "changes": {}, "duration": 1500.0, **more}


def progress(records: list[bytes]) -> list[dict[str, Any]]:
    assert all(each[:1] == b"\x1e" and each[-1:] == b"\n" for each in records)
    return [json.loads(each[1:])["progress"] for each in records]


def test_a_run_tells_what_runs_and_what_has_ended() -> None:
    records: list[bytes] = []
    teller = Teller(records.append, lambda value: value)

    teller.planned(3)
    teller.begins("cmd_|-a_|-x_|-run", chunk("cmd.run", "a"))
    until = time.monotonic() + 10
    while not any(each["running"] for each in progress(records)):
        assert time.monotonic() < until
        time.sleep(0.01)
    teller.ended("cmd_|-a_|-x_|-run", result(changes={"a": 1}, result=False))
    teller.close()

    found = progress(records)
    assert found[-2]["running"][0].keys() == {"state", "id", "for_s"}
    assert found[-1] == {
        "total": 3, "done": 1, "changed": 1, "failed": 1, "running": [],
        "ended": [
            {"state": "cmd.run", "id": "a", "result": False, "is_changed": True, "took_s": 1.5}
        ],
    }  # fmt: skip


def test_records_are_few_small_and_without_secrets() -> None:
    records: list[bytes] = []
    teller = Teller(records.append, lambda value: value.replace("hunter2", "***"))

    teller.planned(1000)
    for number in range(1000):
        tag = f"cmd_|-hunter2 {number} {'é' * 500}_|-x_|-run"
        teller.begins(tag, chunk("cmd.run", "a"))
        teller.ended(tag, result())
    teller.close()

    assert len(records) < 100
    assert all(len(each) <= RECORD_BYTES_MAX + 2 for each in records)
    assert progress(records)[-1]["done"] == 1000
    assert b"hunter2" not in b"".join(records)
    ended = [each for told in progress(records) for each in told["ended"]]
    assert ended
    assert all(len(each["id"]) == ID_CHARACTERS_MAX for each in ended)


def test_a_run_that_nobody_follows_tells_nothing(bench: StateBench) -> None:
    from limpet.states.runner.applying import Applying
    from limpet.states.runner.following import Asked

    records: list[bytes] = []
    context = bench.context().functions
    context.is_published = True
    context.stream = records.append
    for is_followed in (False, True):
        assert records == []
        context.is_followed = is_followed
        Applying(context).run(Asked("chunks", [chunk("test.nop", "a")]))

    assert progress(records)[-1]["done"] == 1
