"""Minions and their master in namespaces of their own, with a stateful firewall between them.

Here packets are lost, not bytes: nothing is acknowledged, nothing is ever reset, routes and
addresses come and go, names change. What a TCP proxy can do is in `test_proxy.py`.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from conftest import Tell

from support.hostile.chaos import ROUNDS, client_of, entry, runs
from support.hostile.netns import Network, missing
from support.master.fleet import Fleet, Node, wait_until
from support.master.recovery import IS_LONG, answering, pids, recovery, wait_ready

LACKING = missing()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("network"),
    pytest.mark.timeout(240 + 120 * ROUNDS),
    pytest.mark.skipif(bool(LACKING), reason=f"packet filters: {LACKING}"),
]
NAMES = ("web1", "web2", "web3", "web4")
HOME, OTHER_HOME = ("10.77.0.2", "fd77:0::2"), "10.77.0.3"
SILENT_S = 15.0
"""The goal after silence."""
UNTOLD_S = 30.0
"""The goal counted from the fault itself, where nobody is told of it."""


@dataclass
class Networked:
    """A fleet and the network that it lives in."""

    network: Network
    fleet: Fleet
    restarted: set[str] = field(default_factory=set)
    """Those that the test itself has killed and started again."""

    def start(self, node: Node) -> None:
        namespace = self.network.minions.get(node.name, self.network.master)
        node.start(prefix=self.network.prefix(namespace))

    def restart(self, name: str) -> None:
        node = self.fleet.minions[name]
        if node.is_running:
            node.kill_tree()
        self.restarted.add(name)
        self.start(node)

    def connections(self, name: str) -> set[int]:
        return self.network.minions[name].connections(self.fleet.port)

    def master_descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.fleet.master.pid}/fd").iterdir()))

    def all_connections(self) -> set[int]:
        return {port for name in NAMES for port in self.connections(name)}

    def wait_reconnected(self, gone: dict[str, set[int]], within_s: float) -> float:
        """Wait until each of these minions is READY over another connection than before."""

        def is_so() -> bool:
            return all(self.connections(name) - before for name, before in gone.items())

        spent_s = wait_until(f"{sorted(gone)} have connected anew", is_so, within_s)
        began = time.monotonic()
        wait_ready(self.fleet, len(NAMES), within_s - spent_s)
        assert answering(self.fleet) == set(NAMES)
        return spent_s + time.monotonic() - began


@pytest.fixture(scope="module")
def networked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Networked]:
    folder = tmp_path_factory.mktemp("network")
    with Network(folder, NAMES) as network, Fleet(folder, listen='"*"') as fleet:
        fleet.host = "master.test"
        all_of_it = Networked(network, fleet)
        network.name_the_master(HOME[0])
        all_of_it.start(fleet.master)
        wait_until("the master answers", lambda: fleet.limpet("status").returncode == 0)
        for name in NAMES:
            all_of_it.start(fleet.add_minion(name, starts=False))
        wait_ready(fleet, len(NAMES))
        yield all_of_it


@pytest.fixture(autouse=True)
def _everybody_is_there_and_stays(networked: Networked) -> Iterator[None]:
    """Each test begins with a whole network in which all answer, and no fault ends a process."""
    networked.network.pass_all()
    networked.network.name_the_master(HOME[0])
    networked.network.resolve_by("127.0.0.1")
    recovery(networked.fleet).check(60.0)
    networked.restarted.clear()
    before = pids(networked.fleet)
    yield
    after = pids(networked.fleet)
    assert after.keys() == before.keys()
    assert {n for n in before if after[n] != before[n]} == networked.restarted


@pytest.mark.covers("B8", "B14", "B15")
def test_all_packets_dropped_and_the_old_connections_forgotten_strands_nobody(
    networked: Networked, tell: Tell
) -> None:
    hole_s = 60.0 if IS_LONG else 25.0
    old, descriptors = networked.all_connections(), networked.master_descriptors()
    networked.network.drop("")
    time.sleep(hole_s)
    assert answering(networked.fleet, 0.5) == frozenset()
    assert networked.network.dropped() > 0
    networked.network.forget(old)
    networked.network.pass_all()

    found = recovery(networked.fleet)

    tell(f"all packets dropped for {hole_s:g} s, old flows for ever: {found}")
    assert not networked.all_connections() & old
    found.check(SILENT_S)
    wait_until(
        "the master has let the dead connections go",
        lambda: networked.master_descriptors() <= descriptors + 1,
        60.0,
    )


@pytest.mark.covers("B8", "B11", "B12")
def test_packets_dropped_in_one_direction_are_noticed_whichever_it_is(
    networked: Networked, tell: Tell
) -> None:
    hole_s = 60.0 if IS_LONG else 18.0
    networked.network.drop(
        "ip saddr { 10.77.1.0/24, 10.77.2.0/24 }",  # two minions are not heard
        "ip daddr { 10.77.3.0/24, 10.77.4.0/24 }",  # two hear nothing
    )
    time.sleep(hole_s)
    assert answering(networked.fleet, 0.5) == frozenset()
    networked.network.pass_all()

    found = recovery(networked.fleet)

    tell(f"packets of one direction dropped for {hole_s:g} s, two minions each: {found}")
    found.check(SILENT_S)


@pytest.mark.covers("B1", "B3")
def test_a_forgotten_idle_flow_and_a_new_local_address_are_noticed_without_a_job(
    networked: Networked, tell: Tell
) -> None:
    gone = {name: networked.connections(name) for name in ("web1", "web2")}
    networked.network.forget(gone["web1"])
    networked.network.address(networked.network.minions["web2"], 2, 9)

    spent_s = networked.wait_reconnected(gone, UNTOLD_S)

    tell(
        f"an idle flow forgotten, a local address replaced: recovery {spent_s:.1f} s "
        "after the fault, stranded 0"
    )
    with client_of(networked.fleet) as client:
        addresses = {row.minion: row.address for row in client.minions()}
    assert addresses["web2"] == "10.77.2.9"


@pytest.mark.covers("B2")
def test_a_firewall_that_forgets_its_connections_costs_one_reconnect(
    networked: Networked, tell: Tell
) -> None:
    gone = {name: networked.connections(name) for name in NAMES}
    networked.network.flush_connections()

    spent_s = networked.wait_reconnected(gone, UNTOLD_S)

    tell(f"connection tracking flushed: recovery {spent_s:.1f} s after the fault, stranded 0")


@pytest.mark.covers("B5")
def test_a_master_that_moves_to_another_address_is_followed_by_its_name(
    networked: Networked, tell: Tell
) -> None:
    network = networked.network
    gone = {name: networked.connections(name) for name in NAMES}
    network.master.run("ip", "addr", "add", f"{OTHER_HOME}/24", "dev", "eth0")
    network.drop(f"ip daddr {HOME[0]}", f"ip saddr {HOME[0]}")
    network.name_the_master(OTHER_HOME)

    spent_s = networked.wait_reconnected(gone, UNTOLD_S)

    tell(f"the master has moved: recovery {spent_s:.1f} s after the move, stranded 0")


@pytest.mark.covers("B6")
def test_a_dead_resolver_keeps_nobody_from_a_master_that_was_found_before(
    networked: Networked, tell: Tell
) -> None:
    network, fleet = networked.network, networked.fleet
    network.name_the_master()
    network.resolve_by("10.77.0.99")  # nobody is there, and nobody says so
    networked.restart("web4")  # what it knew is on its disk
    network.reset_all(fleet.port, fleet.enrol_port)
    time.sleep(6.0)  # each is told by its next beat
    network.pass_all()

    found = recovery(fleet)

    tell(f"no resolver while all connections were reset: {found}")
    found.check(SILENT_S)


@pytest.mark.covers("A14")
@pytest.mark.parametrize("dead", ["ip6", "ip"])
def test_of_two_families_the_one_that_works_is_found(
    networked: Networked, dead: str, tell: Tell
) -> None:
    network, fleet = networked.network, networked.fleet
    network.name_the_master(*HOME)
    network.drop(f"{dead} daddr {HOME[0] if dead == 'ip' else HOME[1]}")
    old = networked.all_connections()
    began = time.monotonic()
    for name in NAMES:
        networked.restart(name)
    wait_until("they have connected anew", lambda: len(networked.all_connections() - old) >= 4)

    found = recovery(fleet)

    spent_s = time.monotonic() - began
    tell(f"started while {dead} is dead: ready {spent_s:.1f} s after the start, stranded 0")
    assert not found.stranded
    assert spent_s <= SILENT_S


@pytest.mark.covers("A9")
def test_a_minion_that_starts_without_name_or_route_is_there_when_they_come(
    networked: Networked, tell: Tell, tmp_path: Path
) -> None:
    network, fleet = networked.network, networked.fleet
    away_s = 30.0 if IS_LONG else 8.0
    node = fleet.minions["web3"]
    network.unroute(network.minions["web3"])
    network.name_the_master()
    node.kill_tree()
    for journal in node.root.rglob("journal"):
        journal.rename(tmp_path / "journal")  # it knows no address, as at its first start
    networked.restart("web3")
    time.sleep(away_s)
    assert node.is_running
    network.address(network.minions["web3"], 3, 2)
    network.name_the_master(HOME[0])

    found = recovery(fleet)

    tell(f"started without route and resolver, {away_s:g} s later both came: {found}")
    found.check(SILENT_S)


@pytest.mark.covers("B22")
def test_large_frames_that_vanish_break_the_link_and_not_the_job(
    networked: Networked, tell: Tell
) -> None:
    network, fleet = networked.network, networked.fleet
    hole_s = 60.0 if IS_LONG else 17.0
    network.drop("meta length > 1000")
    with client_of(fleet) as client:
        padding = "x" * 4000
        job = client.submit("*", "cmd.run", entry("large", f": {padding}"), ttl_s=300.0)
        assert answering(fleet, 0.5) <= set(NAMES), "whoever is asked answers, or is silent"
        time.sleep(hole_s)
        assert all(not runs(node, "large") for node in fleet.minions.values())
        network.pass_all()

        found = recovery(fleet)

        statuses = {name: a.status for name, a in client.wait(job.jid).minions.items()}
    tell(f"frames over 1,000 bytes dropped for {hole_s:g} s: {found}; the job {statuses}")
    assert statuses == dict.fromkeys(NAMES, "ok")
    assert [runs(node, "large") for node in fleet.minions.values()] == [1, 1, 1, 1]
    found.check(SILENT_S)


@pytest.mark.covers("B17", "B21")
def test_a_port_that_is_nobodys_is_asked_until_somebody_is_there(
    networked: Networked, tell: Tell
) -> None:
    network, fleet = networked.network, networked.fleet
    network.master.run("ip", "addr", "add", f"{OTHER_HOME}/24", "dev", "eth0", is_sure=False)
    network.name_the_master(OTHER_HOME)
    network.reset_all(fleet.port, fleet.enrol_port)
    time.sleep(6.0)  # each is told by its next beat
    network.pass_all()
    network.drop(f"ip daddr {OTHER_HOME}")
    time.sleep(5.0)
    assert answering(fleet, 0.5) == frozenset()
    network.pass_all()

    found = recovery(fleet)

    tell(f"nobody at the master's address: {found}")
    found.check(SILENT_S)
