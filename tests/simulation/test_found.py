"""Seeds that found a fault of the machines, once. Each fault has a plain test of its own as well.

A seed tells another story when the simulator changes; the plain tests, named here, do not.
"""

import pytest

from support.simulator.story import Story

FOUND = {
    # a minion waited for its turn of SYNC on a connection whose master was gone:
    # test_connecting.test_a_busy_master_that_falls_silent_is_left_soon
    15696618587161: "half-open while Busy",
    # test_memory.test_a_cancel_in_the_moment_of_the_end_keeps_no_job_in_memory
    120201195682022: "cancelled as it ended",
    # test_bulk.test_a_body_that_begins_anew_after_another_may_come_in_other_pieces
    197528389682289: "old pieces between new ones",
    # test_book.test_what_was_refused_stays_refused_when_it_is_delivered_again
    89926291823331: "refused, then run",
    # test_interventions: test_a_batch_does_not_wait_for_one_that_is_gone_when …_starts_again
    185351409077951: "a batch without end",
}


@pytest.mark.parametrize("seed", FOUND, ids=FOUND.values())
def test_what_a_seed_found_stays_mended(seed: int) -> None:
    Story(seed).play()
