"""docs/metrics.md has each metric that is made, with its type and labels, and no other."""

import pytest

from limpet.common.control.replies import Event, MasterStatus
from limpet.common.service.metrics import Family, written
from limpet.master import metrics as master_metrics
from limpet.master.tally import Tally
from support.metrics_page import documented, parse, row_of


def of_master() -> list[Family]:
    tally = Tally()
    tally.hear(Event("minion/web1/lost", 1.0, {"why": "no echo"}))
    tally.hear(Event("job/01HF7YAT00000000000000000A/return/web1", 1.0, {"status": "ok"}))
    status = MasterStatus("1", 0.0, "5eed", 1, 2, 1, {"rate": 1}, {"fds": 3.0}, ())
    return master_metrics.families(status, tally, now_wall_s=1.0)


@pytest.mark.parametrize("heading, families", [("The master", of_master())])
def test_the_page_has_each_metric_as_it_is_served(heading: str, families: list[Family]) -> None:
    served = {name: row_of(metric) for name, metric in parse(written(families)).items()}
    assert documented(heading) == served


def test_each_name_says_whose_it_is_and_in_which_unit() -> None:
    for family in of_master():
        assert family.name.startswith(("limpet_master_", "limpet_build_", "process_"))
        assert not family.name.endswith(("_s", "_ms", "_kb"))
