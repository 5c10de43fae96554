"""What is kept of a job's arguments: everything while they are needed, no secrets afterwards."""

import msgspec

from limpet.master.core.settings import MasterSettings
from limpet.master.jobs.redaction import without_secrets
from support.master.master_bench import delivers, ready

KEYS = ("password", "mysql:*:token")


def test_values_below_secret_keys_are_dropped_wherever_they_stand() -> None:
    arguments = msgspec.msgpack.encode(
        [
            ["web", {"password": "abc"}],
            {"pillar": {"mysql": {"root": {"token": 1}}, "v": 2}, "password": ["x"], "test": True},
        ]
    )
    kept = msgspec.msgpack.decode(without_secrets(arguments, KEYS))
    assert kept == [
        ["web", {"password": "**********"}],
        {
            "pillar": {"mysql": {"root": {"token": "**********"}}, "v": 2},
            "password": ["**********"],
            "test": True,
        },
    ]


def test_without_keys_or_with_what_is_no_call_nothing_is_changed() -> None:
    arguments = msgspec.msgpack.encode([["x"], {"password": 1}])
    assert without_secrets(arguments, ()) == arguments
    for odd in (b"", b"\xc1", b"\x90", msgspec.msgpack.encode({"a": 1})):
        assert without_secrets(odd, KEYS) == odd


def test_a_minion_is_given_all_and_the_history_keeps_no_secret() -> None:
    bench, (web1,) = ready("web1", settings=MasterSettings(secret_keys=KEYS))
    secret = msgspec.msgpack.encode([["web"], {"pillar": {"password": "hunter22"}}])
    bench.ask(1, msgspec.structs.replace(bench.request("web1"), arguments=secret))
    (deliver,) = delivers(bench, web1)
    assert b"hunter22" in deliver.arguments
    assert b"hunter22" in bench.job(deliver.jid).arguments
    web1.accept(deliver.jid)
    web1.begin(deliver.jid)
    web1.finish(deliver.jid)
    assert b"hunter22" not in bench.job(deliver.jid).arguments
    assert b"web" in bench.job(deliver.jid).arguments
