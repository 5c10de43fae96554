"""Plans of faults are made of their seeds alone, and leave no kind out."""

from collections import Counter

from support.rounds.faults import KINDS, Fault, plan
from support.rounds.running import circumstances, crashes

HOSTS = ["web1", "web2", "web3", "web4", "web5"]


def test_thirty_rounds_have_each_kind_of_fault_twice_at_least() -> None:
    for seed in range(50):
        kinds = Counter(fault.kind for faults in plan(seed, 30, HOSTS) for fault in faults)
        assert min(kinds[kind] for kind in KINDS) >= 3, seed


def test_a_seed_names_a_plan() -> None:
    assert plan(7, 30, HOSTS) == plan(7, 30, HOSTS) != plan(8, 30, HOSTS)
    assert plan(7, 12, HOSTS) == plan(7, 30, HOSTS)[:12]


def test_two_faults_of_a_round_never_meet_on_one_host() -> None:
    for seed in range(50):
        for faults in plan(seed, 30, HOSTS):
            hosts = [fault.host for fault in faults]
            assert len(set(hosts)) == len(hosts), faults
            assert "*" not in hosts or len(hosts) == 1


def test_a_masters_fault_reaches_every_host_and_a_full_disk_its_own() -> None:
    gone = [Fault("power-off master", "master", 1, 1)]
    assert circumstances("web1", gone).was_away
    assert not circumstances("web1", gone).may_end_jobs
    full = [Fault("fill disk", "web1", 1, 1)]
    assert circumstances("web1", full).was_full
    assert circumstances("web2", full) == circumstances("web2", [])
    assert circumstances("web1", [Fault("reboot", "web1", 1, 1)]).may_end_jobs


def test_an_end_that_no_fault_explains_is_a_crash() -> None:
    journal = "ready\nlimpet-minion.service: Main process exited, code=exited, status=1/FAILURE\n"
    assert len(crashes("web1", journal, [Fault("reboot", "web1", 1, 1)])) == 1
    assert crashes("web1", journal, [Fault("stop", "web1", 1, 1, "continued")]) == []
    assert crashes("master", journal, [Fault("restart master", "master", 1, 1, "kill")]) == []
    assert crashes("web1", "ready\n", []) == []
