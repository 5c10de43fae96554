"""The client through everything that a master can do to it."""

import grp
import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from limpet.common.control.replies import Event, Jobs, Keys, MasterStatus, NoMinion, Refused, Tokens
from limpet.common.control.requests import (
    AskStatus,
    CancelJob,
    ChangeKeys,
    CreateToken,
    ListJobs,
    RunJob,
    WatchEvents,
    WatchJob,
)
from limpet.common.errors import (
    ExitCode,
    HostError,
    LimpetError,
    MasterUnreachable,
    PeerError,
    Stalled,
    UsageError,
)
from limpet.common.service.socket_names import reachable
from limpet.master.client import Client, NoMinionMatched
from limpet.master.client.results import JobOutput, MinionAnswer
from support.fakes.master import (
    JID,
    Cut,
    FakeMaster,
    Hang,
    Pause,
    Raw,
    Stop,
    ended,
    output,
    result,
    stored,
    update,
)

GROUP = grp.getgrgid(os.getegid()).gr_name  # (read now: another user may not read this Python)
STATUS = MasterStatus("0.1", 1.0, "s", 1, 2, 2, {}, {}, ())


@pytest.fixture
def master(tmp_path: Path) -> Iterator[FakeMaster]:
    with FakeMaster(tmp_path) as fake:
        yield fake


@pytest.fixture
def client(master: FakeMaster) -> Iterator[Client]:
    with Client(str(master.root)) as made:
        yield made


def test_a_job_is_run_and_its_answers_gathered(master: FakeMaster, client: Client) -> None:
    running = (result("web1", "running"), result("web2", "offline"))
    master.on(RunJob, stored(*running), update(result("web1", value={"a": [1]})), ended())

    job = client.run("web*", "test.arg", 5, keywords={"k": None}, ttl_s=7, batch="20%")

    assert job.jid == JID
    assert job.is_ended
    assert {name: each.status for name, each in job.minions.items()} == {
        "web1": "ok",
        "web2": "offline",
    }
    assert job.returns == {"web1": {"a": [1]}}
    assert job.exit_code == ExitCode.NO_RESULT
    assert [each.minion for each in job.unanswered] == ["web2"]
    (request,) = master.requests
    assert (request.target, request.target_kind, request.function) == ("web*", "glob", "test.arg")
    assert request.arguments == b"\x92\x91\x05\x81\xa1k\xc0"
    assert (request.ttl_s, request.batch, request.is_followed) == (7, "20%", True)


def test_calls_one_after_the_other_share_a_connection(master: FakeMaster, client: Client) -> None:
    master.on(RunJob, stored(result("web1", "queued")), update(result("web1")), ended())
    master.on(ListJobs, Jobs(()))

    for _ in range(5):
        assert client.run("web1", "test.ping").exit_code == ExitCode.OK
        client.jobs()

    assert master.connections == 1
    ids = {request.request_id for request in master.requests if isinstance(request, RunJob)}
    assert len(ids) == 5


@pytest.mark.covers("F9")
def test_cut_before_the_jid_is_known_the_same_request_is_sent_again(
    master: FakeMaster, client: Client
) -> None:
    master.on(RunJob, Cut())
    master.on(RunJob, stored(result("web1", "running")), update(result("web1")), ended())

    assert client.run("web1", "test.ping").exit_code == ExitCode.OK

    first, second = master.requests
    assert first == second


@pytest.mark.covers("F9")
def test_cut_after_the_jid_is_known_the_job_is_watched_and_nothing_is_told_twice(
    master: FakeMaster, client: Client
) -> None:
    master.on(
        RunJob,
        stored(result("web1", "running"), result("web2", "running")),
        update(result("web1", value=1)),
        Cut(),
    )
    master.on(
        WatchJob,
        stored(result("web1", value=1), result("web2", "running")),
        update(result("web1", value=1)),
        update(result("web2", value=2)),
        ended(),
    )

    changes = list(client.start("*", "test.ping"))

    told = [
        (change.minion, change.status) for change in changes if isinstance(change, MinionAnswer)
    ]
    assert told == [("web1", "running"), ("web2", "running"), ("web1", "ok"), ("web2", "ok")]
    assert [type(request) for request in master.requests] == [RunJob, WatchJob]
    assert master.requests[1].jid == JID


def test_a_master_that_is_killed_and_comes_back_is_waited_for(
    master: FakeMaster, tmp_path: Path
) -> None:
    notices: list[str] = []
    master.on(RunJob, stored(result("web1", "running")), Stop())
    master.on(WatchJob, stored(result("web1", "running")), update(result("web1")), ended())
    revival = threading.Timer(1.2, master.start)
    revival.start()

    with Client(str(tmp_path), on_notice=notices.append) as client:
        job = client.run("web1", "test.ping", timeout_s=30)
    revival.join()

    assert job.exit_code == ExitCode.OK
    assert len(notices) == 2
    assert "nobody listens" in notices[0]
    assert notices[1] == "the master is back"


def test_a_master_that_stays_away_is_given_up_and_the_job_named(
    master: FakeMaster, tmp_path: Path
) -> None:
    master.on(RunJob, stored(result("web1", "running")), Stop())

    with (
        Client(str(tmp_path), patience_s=0.3) as client,
        pytest.raises(MasterUnreachable, match=f"job {JID} is stored and goes on"),
    ):
        client.run("web1", "test.ping")


def test_a_master_that_never_answered_is_given_up_soon(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o750)
    began = time.monotonic()

    with pytest.raises(MasterUnreachable, match="is the master running"):
        Client(str(tmp_path), first_patience_s=0.3).run("web1", "test.ping")

    assert 0.3 <= time.monotonic() - began < 3


@pytest.mark.covers("F7")
def test_the_timeout_ends_the_wait_and_shows_who_is_still_running(
    master: FakeMaster, client: Client
) -> None:
    master.on(RunJob, stored(result("web1"), result("web2", "running")), Hang())

    job = client.run("*", "test.sleep", 60, timeout_s=0.3)

    assert not job.is_ended
    assert job.minions["web2"].status == "running"
    assert job.exit_code == ExitCode.NO_RESULT


def test_a_timeout_before_the_job_is_stored_is_an_error(master: FakeMaster, client: Client) -> None:
    master.on(RunJob, Hang())

    with pytest.raises(Stalled, match="the master to store the job") as caught:
        client.run("web1", "test.ping", timeout_s=0.2)
    assert caught.value.exit_code == ExitCode.NO_RESULT


def test_a_timeout_shorter_than_the_patience_names_the_missing_master(tmp_path: Path) -> None:
    with pytest.raises(MasterUnreachable, match="does not exist"):
        Client(str(tmp_path)).run("web1", "test.ping", timeout_s=0.2)


def test_a_job_is_submitted_without_waiting_for_it(master: FakeMaster, client: Client) -> None:
    master.on(RunJob, stored(result("web1", "queued")))

    assert client.submit("web1", "test.ping").jid == JID
    assert master.requests[0].is_followed is False


def test_a_job_is_shown_waited_for_and_cancelled(master: FakeMaster, client: Client) -> None:
    master.on(WatchJob, stored(result("web1", "running")))
    master.on(WatchJob, stored(result("web1", "running")), update(result("web1")), ended())
    master.on(CancelJob, stored(result("web1", "cancelled"), is_ended=True))

    assert client.show(JID.lower()).minions["web1"].status == "running"
    assert client.wait(JID).minions["web1"].status == "ok"
    assert client.cancel(JID, ["web1"]).exit_code == ExitCode.FAILED
    assert [getattr(request, "is_followed", None) for request in master.requests] == [
        False,
        True,
        None,
    ]


def test_live_output_comes_in_between(master: FakeMaster, client: Client) -> None:
    master.on(
        RunJob,
        stored(result("web1", "running")),
        output("web1", b"line\n", dropped_bytes=3),
        update(result("web1")),
        ended(),
    )

    changes = list(client.start("web1", "cmd.run", "x", is_streamed=True))

    assert changes[1] == JobOutput("web1", b"line\n", 3)


def test_a_result_that_was_lost_is_corrected_but_never_taken_back(
    master: FakeMaster, client: Client
) -> None:
    master.on(
        RunJob,
        stored(result("web1", "lost")),
        update(result("web1", "running")),
        update(result("web1", "ok")),
        update(result("web1", "running")),
        update(result("web1", "lost")),
        ended(),
    )

    statuses = [
        change.status
        for change in client.start("web1", "test.ping")
        if isinstance(change, MinionAnswer)
    ]

    assert statuses == ["lost", "running", "ok"]


def test_a_return_that_cannot_be_read_is_said_to_be_so(master: FakeMaster, client: Client) -> None:
    odd = result("web1").__class__("web1", "ok", 1.0, "", 0, b"\xc1broken", 1.0, 0.1, False)
    master.on(RunJob, stored(odd, is_ended=True), ended())

    answer = client.run("web1", "test.ping").minions["web1"]

    assert not answer.has_value
    assert "can't be read" in answer.error


@pytest.mark.parametrize(
    ("refusal", "kind", "code"),
    [
        (NoMinion("web*", "no minion matches 'web*'"), NoMinionMatched, 3),
        (Refused("usage", "bad target"), UsageError, 2),
        (Refused("unknown_job", "no such job"), UsageError, 2),
        (Refused("denied", "no"), MasterUnreachable, 5),
        (Refused("store", "disk full"), HostError, 1),
        (Refused("failed", "x"), LimpetError, 1),
    ],
)
def test_a_refusal_is_an_error_with_its_exit_code(
    master: FakeMaster, client: Client, refusal: Refused, kind: type[LimpetError], code: int
) -> None:
    master.on(RunJob, refusal)

    with pytest.raises(kind) as caught:
        client.run("web*", "test.ping")

    assert caught.value.exit_code == code
    assert str(caught.value) == refusal.text


def test_a_master_that_is_stopping_is_asked_again(master: FakeMaster, client: Client) -> None:
    master.on(RunJob, Refused("stopping", "the master is stopping"))
    master.on(RunJob, stored(result("web1"), is_ended=True), ended())

    assert client.run("web1", "test.ping").exit_code == ExitCode.OK


@pytest.mark.parametrize(
    "step",
    [
        Raw(b"\xff\xff\xff\xff"),
        Raw(b"\x00\x00\x00\x00"),
        Raw(b"\x00\x00\x00\x01\xc1"),
        Raw(b"\x00\x00\x00\x06\x91\xa4what"),
        Jobs(()),
        ended("01JD3Z0VQ9A1B2C3D4E5F6G7H9"),
    ],
)
def test_what_is_no_answer_is_an_error_and_no_traceback(
    master: FakeMaster, client: Client, step: Raw | Jobs
) -> None:
    master.on(RunJob, step)

    with pytest.raises(PeerError):
        client.run("web1", "test.ping")


def test_a_change_of_keys_is_asked_again_but_a_token_is_not(
    master: FakeMaster, client: Client
) -> None:
    master.on(ChangeKeys, Cut())
    master.on(ChangeKeys, Keys(()))
    master.on(CreateToken, Cut())

    assert client.accept_keys("web1") == ()
    with pytest.raises(MasterUnreachable, match="look before asking again"):
        client.create_token()
    assert sum(isinstance(request, CreateToken) for request in master.requests) == 1


def test_revoking_gives_the_token_or_an_error(master: FakeMaster, client: Client) -> None:
    from limpet.common.control.requests import RevokeToken

    master.on(RevokeToken, Tokens(()))

    with pytest.raises(PeerError):
        client.revoke_token("x")


def test_events_go_on_after_a_restart_and_end_with_the_timeout(
    master: FakeMaster, client: Client
) -> None:
    master.on(WatchEvents, Event("minion/web1/ready", 1.0, {}), Cut())
    master.on(WatchEvents, Event("minion/web1/lost", 2.0, {}), Hang())
    master.on(AskStatus, STATUS)

    tags = [event.tag for event in client.events(timeout_s=0.6)]

    assert tags == ["minion/web1/ready", "minion/web1/lost"]


def test_a_following_that_is_left_early_leaves_no_connection_in_use(
    master: FakeMaster, client: Client
) -> None:
    master.on(RunJob, stored(result("web1", "running")), Pause())
    master.on(ListJobs, Jobs(()))

    with client.start("web1", "test.ping") as following:
        following.wait_stored()
        assert client.jobs() == ()  # on a connection of its own, in the meantime
    assert following.is_over or following.jid == JID
    assert client.jobs() == ()


@pytest.mark.covers("B-75")
def test_a_directory_that_others_may_write_to_is_not_trusted(
    master: FakeMaster, client: Client
) -> None:
    os.chmod(master.root / "run", 0o777)

    with pytest.raises(MasterUnreachable, match="may be written by others"):
        client.run("web1", "test.ping")
    assert master.connections == 0


@pytest.mark.covers("B-75")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become another user")
def test_a_socket_of_another_user_is_told_nothing(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir(mode=0o755)
    path = run / "master.sock"
    pid = os.fork()
    if pid == 0:  # the impostor
        try:
            plug = socket.socket(socket.AF_UNIX)
            plug.bind(str(path))
            os.chmod(path, 0o777)
            os.setgid(65533)
            os.setuid(65533)
            plug.listen(4)
            connection, _ = plug.accept()
            connection.settimeout(5)
            os._exit(0 if connection.recv(1) == b"" else 1)
        finally:
            os._exit(2)
    try:
        for _ in range(200):
            try:
                Client(str(tmp_path), first_patience_s=0).status()
            except MasterUnreachable as error:
                if "this is not the master" in str(error):
                    break
                time.sleep(0.02)
        else:
            pytest.fail("the impostor was believed")
    finally:
        _, code = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(code) == 0, "something was said to the impostor"


@pytest.mark.covers("B-75")
def test_a_stale_socket_is_a_clear_error_at_a_path_of_any_length(tmp_path: Path) -> None:
    for root in (tmp_path / "short", tmp_path / ("x" * 120)):
        run = root / "run"
        run.mkdir(parents=True, mode=0o750)
        with (
            socket.socket(socket.AF_UNIX) as stale,
            reachable(run / "master.sock") as name,
        ):
            stale.bind(name)
        with pytest.raises(MasterUnreachable, match="nobody listens"):
            Client(str(root), first_patience_s=0).status()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become another user")
def test_no_access_names_the_group_to_join() -> None:
    with tempfile.TemporaryDirectory() as directory, FakeMaster(Path(directory)) as master:
        os.chmod(directory, 0o755)  # the way there is open, unlike pytest's own directories
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:  # a user without access
            try:
                os.setgid(65533)
                os.setuid(65533)
                Client(directory).status()
            except MasterUnreachable as error:
                os.write(writer, f"{int(error.exit_code)} {error}".encode())
            finally:
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as stream:
            text = stream.read()
        os.waitpid(pid, 0)

    assert text.startswith(f"5 no access to {master.path}: join the group {GROUP} ")


@pytest.mark.covers("B-36", "B-73")
def test_what_cannot_be_sent_is_a_usage_error(master: FakeMaster, client: Client) -> None:
    for target, function, argument in (
        ("x" * 5000, "test.ping", ""),
        ("", "test.ping", ""),
        ("web1", "ping", ""),
        ("web1", "test.ping; rm -rf /", ""),
        ("web1", "test.echo", "\udcff"),
        ("web\udcff", "test.ping", ""),
        ("web1", "test.echo", "x" * 2_000_000),
    ):
        with pytest.raises(UsageError):
            client.run(target, function, argument)
    assert master.requests == []


def test_three_hundred_jobs_a_second_are_no_effort(master: FakeMaster, client: Client) -> None:
    master.on(RunJob, stored(result("web1", "queued")), update(result("web1")), ended())
    client.run("web1", "test.ping")
    began = time.monotonic()

    for _ in range(300):
        client.run("web1", "test.ping")

    assert time.monotonic() - began < 5  # 0.15 s on an idle machine
