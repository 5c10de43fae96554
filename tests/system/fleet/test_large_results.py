"""Many large results for a client that reads slowly: it is told them all, as fast as it reads."""

import time
from pathlib import Path

import pytest
from benchmarks.measuring import Place
from benchmarks.swarm_side import SwarmSide

MINIONS = 24
BYTES = 1_000_000


@pytest.mark.timeout(120)
def test_a_client_that_pauses_is_told_all_and_is_not_cut_off(tmp_path: Path) -> None:
    with (
        SwarmSide(Place(tmp_path), MINIONS, returns=BYTES) as limpet,
        limpet.client() as slow,
        limpet.client() as other,
    ):
        with slow.start("*", "cmd.run", "cat", timeout_s=60) as following:
            jid = following.wait_stored().jid
            time.sleep(2.0)  # more than the master would keep for it has come by now
            until = time.monotonic() + 60
            while other.jobs(limit=1)[0].counts.get("ok") != MINIONS:
                assert time.monotonic() < until
                time.sleep(0.05)
            assert other.status().figures["rss_bytes"] < 160e6
            for _ in following:
                pass
            result = following.result()
        assert result.jid == jid
        assert [len(each.value or "") for each in result.minions.values()] == [BYTES] * MINIONS
        assert not other.status().rejected.get("cli_slow")
