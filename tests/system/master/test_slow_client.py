"""A client that does not read while a job talks: the master keeps little of it, and says so."""

import time
from pathlib import Path

import pytest

from limpet import Client
from limpet.master.client.results import JobOutput
from support.master.fleet import Fleet

BYTES = 48_000_000


@pytest.mark.timeout(90)
def test_live_output_that_is_not_read_costs_no_memory_and_is_accounted_for(tmp_path: Path) -> None:
    with Fleet(tmp_path, minions=1) as fleet:
        root = str(fleet.master.root)
        script = f"for n in 1 2 3 4 5 6 7 8; do yes | head -c {BYTES // 8}; sleep 0.5; done"
        with Client(root) as slow, Client(root) as other:
            rss = other.status().figures["rss_bytes"]
            with slow.start("*", "cmd.retcode", script, is_streamed=True) as following:
                jid = following.wait_stored().jid
                largest = rss
                while not other.jobs(limit=1)[0].counts.get("ok"):
                    largest = max(largest, other.status().figures["rss_bytes"])
                    time.sleep(0.1)
                said = [each for each in following if isinstance(each, JobOutput)]
                result = following.result()
            dropped = other.status().rejected.get("cli_output_dropped", 0)
        assert result.jid == jid
        assert dropped > 0
        assert sum(len(each.data) + each.dropped_bytes for each in said) == BYTES
        assert largest < rss + 12e6, "it was kept"
