"""States that wait or look and change nothing: `loop`, `http`, `disk`, `status`, `process`."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from limpet.common.errors import HostError
from support.states.state_bench import StateBench


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        is_there = self.path.startswith("/data")
        body = b'{"x": 5}' if is_there else b"nothing"
        self.send_response(200 if is_there else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Asked", f"{self.path} {self.headers.get('Authorization', '')}")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Page) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def bench(tmp_path: Path) -> StateBench:
    return StateBench(tmp_path)


def test_a_page_is_asked_for(bench: StateBench, url: str) -> None:
    def query(path: str, **more: Any) -> Any:  # noqa: ANN401
        return bench.context().call("http.query", f"{url}{path}", **more)

    assert query("/data") == {"body": '{"x": 5}'}
    assert query("/data", decode=True, status=True) == {
        "status": 200,
        "dict": {"x": 5},
        "body": '{"x": 5}',
    }
    asked = query("/data", params={"a": 1}, username="joe", password="pw", headers=True)
    assert asked["headers"]["X-Asked"] == "/data?a=1 Basic am9lOnB3"
    assert query("/gone") == {"status": 404, "error": "HTTP 404: Not Found", "body": "nothing"}
    assert "refused" in bench.context().call("http.query", "http://127.0.0.1:1/")["error"]
    with pytest.raises(HostError, match="Unsupported url scheme"):
        bench.context().call("http.query", "ftp://x")


@pytest.mark.parametrize(
    ("path", "asked", "result", "comment"),
    [
        ("/data", {"status": 200}, True, "Status 200 was found."),
        ("/data", {"status": 404}, False, "Status 404 was not found."),
        ("/gone", {"status": 404}, True, "Status 404 was found."),
        ("/gone", {"status": "4.", "status_type": "pcre"}, True, 'Status pattern "4." was found.'),
        ("/data", {"status": [200, 201], "status_type": "list"}, True, "Status 200 was found."),
        ("/data", {"match": "x"}, True, 'Match text "x" was found.'),
        ("/data", {"match": "q", "match_type": "pcre"}, False, 'Match pattern "q" was not found.'),
        ("/data", {}, False, " Either match text (match) or a status code (status) is required."),
    ],
)  # fmt: skip
def test_a_page_is_judged(
    bench: StateBench, url: str, path: str, asked: dict[str, Any], result: bool, comment: str
) -> None:
    outcome = bench.call("http.query", name=f"{url}{path}", **asked)

    assert (outcome.result, outcome.comment, outcome.changes) == (result, comment, {})
    if asked:
        assert bench.call("http.query", name=url, is_test=True, **asked).result is None


def test_functions_are_called_until_they_give_what_is_expected(bench: StateBench) -> None:
    def until(**asked: Any) -> Any:  # noqa: ANN401
        return bench.call("loop.until", name="test.ping", period=0.01, timeout=0.02, **asked)

    def plainly(**asked: Any) -> Any:  # noqa: ANN401
        asked = {"name": "test.echo", "args": ["a"], "period": 0.01, "timeout": 0.02, **asked}
        return bench.call("loop.until_no_eval", **asked)

    assert until(condition="m_ret is True").comment == "Condition m_ret is True was met"
    assert "Timed out" in until(condition="m_ret is False").comment
    assert until().comment == "An exit condition must be specified"
    assert until(condition="no_such").result is False
    assert until(condition="m_ret", is_test=True).result is None
    assert plainly(expected="a").comment == "Call provided the expected results in 1 attempts"
    assert "after" in plainly(expected="b").comment
    assert plainly(expected="b", compare_operator="ne").result is True
    assert plainly(expected="b", compare_operator="nope").result is False
    assert plainly(expected="b", name="no.such").comment == (
        'Module.function "no.such" is unavailable.'
    )


def test_limits_are_judged(bench: StateBench) -> None:
    def disk(**asked: Any) -> Any:  # noqa: ANN401
        return bench.call("disk.status", **{"name": "/", **asked})

    assert disk(maximum="100%").comment == "Disk used space in acceptable range"
    assert "above maximum of 1 KB" in disk(maximum=1, absolute=True).comment
    assert disk(minimum="1 %", free=True).result in (True, False)
    assert disk(maximum="x").comment == "maximum must be an integer "
    assert disk(maximum=101).comment == "maximum must be in the range [0, 100] "
    assert disk(maximum=1, minimum=2).comment == "minimum must be less than maximum "
    assert "not present" in disk(name="/no/such", maximum=1).comment
    assert bench.call("status.loadavg", name="1-min", maximum=100_000).result is True
    assert bench.call("status.loadavg", name="1-min", minimum=100_000).result is False
    assert "not available" in str(bench.call("status.loadavg", name="x").comment)
    assert bench.call("status.process", name="pytest|python").result is True
    assert bench.call("status.process", name="no-such-[p]rocess").result is False
    assert bench.call("status.process", name="(").result is False
    absent = bench.call("process.absent", name="no-such-[p]rocess")
    assert (absent.result, absent.comment) == (True, "No matching processes running")


@pytest.mark.parametrize(
    "state",
    [
        *("salt.state", "salt.function", "salt.runner"),
        *("schedule.present", "beacon.present", "event.send"),
    ],
)  # fmt: skip
def test_what_is_not_there_names_the_page_to_read(bench: StateBench, state: str) -> None:
    outcome = bench.call(state, name="x")

    assert outcome.result is False
    assert "docs/from-salt.md" in str(outcome.comment)


def test_what_is_not_there_is_absent(bench: StateBench) -> None:
    for state in ("schedule.absent", "schedule.disabled", "beacon.absent", "event.wait"):
        outcome = bench.call(state, name="x")
        assert (outcome.result, outcome.changes) == (True, {})
