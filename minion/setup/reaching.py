"""The way from this host to its master: the name, the ports, and whose key answers there."""

from collections.abc import Iterable, Sequence
from typing import Final

from limpet.common.crypto.keys import fingerprint
from limpet.common.settings.minion import MasterAddress
from limpet.common.setup.findings import Finding, fail, ok, warn
from limpet.common.setup.handshake import shake_hands
from limpet.common.setup.reach import Reached, Resolved, connect_all, resolve

SLOW_NAME_S: Final = 1.0
LOOK_S: Final = 12.0
"""The longest that one look takes: a name, then ports, then a handshake on each."""

_ADVICE: Final = {
    "refused": "nobody listens there: does the master run (`systemctl status limpet-master` on its "
    "host), does it listen on this address, and are these its ports?",
    "filtered": "no answer at all: a firewall drops it, or the host is off; let TCP to {ports} "
    "through from this host to the master",
    "unreachable": "there is no way from this host to that address: look at routes and address "
    "families (`ip route get {address}`)",
}


def look_at_masters(
    places: Sequence[MasterAddress], server_key: bytes | None, *, has_key: bool
) -> list[Finding]:
    """Look at all places of the master; one that works is enough, so then others only warn.

    `has_key`: the master has accepted this minion, so that its enrolment port is not needed now.
    """
    found = [_look_at(place, server_key, has_key) for place in places]
    if any(_is_well(findings) for findings in found):
        return [
            finding if finding.verdict != "fail" else warn(*_parts(finding))
            for findings in found
            for finding in findings
        ]
    return [finding for findings in found for finding in findings]


def _look_at(place: MasterAddress, server_key: bytes | None, has_key: bool) -> list[Finding]:
    resolved = resolve(place.host)
    findings = [_names(resolved)]
    if not resolved.addresses:
        return findings
    reached = connect_all(
        (address, port) for address in resolved.addresses for port in (place.port, place.enrol_port)
    )
    findings.append(_ports(place, reached, has_key))
    opened = [each for each in reached if each.verdict == "open"]
    if server_key is not None and opened:
        findings += _key(place, opened, server_key)
    return findings


def _names(resolved: Resolved) -> Finding:
    if not resolved.addresses:
        return fail(
            "names",
            f"{resolved.name}: {resolved.problem}",
            f"`getent ahosts {resolved.name}` asks in the same way: look at the spelling, at "
            "/etc/resolv.conf and /etc/hosts; a numeric address works without names",
        )
    if resolved.addresses == (resolved.name,):
        return ok("names", f"{resolved.name} is an address: no name is needed")
    within = f" ({resolved.took_s * 1000:.0f} ms)" if resolved.took_s else ""
    text = f"{resolved.name}: {', '.join(resolved.addresses)}{within}"
    if resolved.took_s > SLOW_NAME_S:
        return warn("names", text, "the name servers are slow: look at /etc/resolv.conf")
    return ok("names", text)


def _ports(place: MasterAddress, reached: Sequence[Reached], has_key: bool) -> Finding:
    """Judge the ports: one address with all that is needed will do."""
    wanted = {place.port} if has_key else {place.port, place.enrol_port}
    open_of: dict[str, set[int]] = {}
    for each in reached:
        ports = open_of.setdefault(each.address, set())
        if each.verdict == "open":
            ports.add(each.port)
    text = "; ".join(each.text for each in reached)
    closed = [each for each in reached if each.verdict != "open"]
    if not closed:
        return ok("ports", text)
    advice = _ADVICE[closed[0].verdict].format(
        ports=" and ".join(dict.fromkeys(str(each.port) for each in closed)),
        address=closed[0].address,
    )
    if any(wanted <= ports for ports in open_of.values()):
        return warn("ports", text, advice)
    return fail("ports", text, advice)


def _key(place: MasterAddress, opened: Sequence[Reached], server_key: bytes) -> Iterable[Finding]:
    """See who answers at the main port of the first address, else at the enrolment port."""
    best = next((each for each in opened if each.port == place.port), opened[0])
    shown = fingerprint(server_key)
    what = shake_hands(best.address, best.port, server_key)
    where = f"{best.address} port {best.port}"
    if what == "denied" or (what == "ready" and best.port == place.enrol_port):
        yield ok("master key", f"{where} has the master's key {shown}")
    elif what == "ready":
        yield fail(
            "master key",
            f"{where} has the master's key, but let a key in that nobody has accepted",
            "stop that master and report it: it checks no keys",
        )
    elif what == "wrong":
        yield fail(
            "master key",
            f"{where} connects, but has another key than {shown}, or is no limpet master",
            "compare with `limpet keys show --master` there; if the master was set up anew or its "
            "key was changed: `limpet minion setup --join STRING` with a new join string",
        )
    else:
        yield fail(
            "master key",
            f"{where} connects, but does not answer as a limpet master does ({what})",
            "another service listens there, or the master hangs: `limpet doctor` on its host",
        )


def _is_well(findings: Iterable[Finding]) -> bool:
    return all(finding.verdict != "fail" for finding in findings)


def _parts(finding: Finding) -> tuple[str, str, str]:
    return finding.check, finding.text, finding.advice
