"""What the core is told of the plan."""

from pathlib import Path

from limpet.common.crypto.keys import encode_base32
from limpet.common.transport.sockets import make_keypair
from limpet.minion.process.plan import Plan
from limpet.minion.process.planned_settings import permitted, settings_of
from limpet.minion.process.startup import make_plan
from limpet.states.functions.instant import INSTANT

KEY = encode_base32(make_keypair()[0])


def plan_of(root: Path, text: str) -> Plan:
    """Make the plan of a configuration."""
    (root / "minion.yaml").write_text(f"id: web1\nmaster_key: {KEY}\n{text}")
    return make_plan(str(root), {})


def test_limits_and_places_reach_the_core(tmp_path: Path) -> None:
    text = "master: [a.example, 'b.example:7000']\njobs_at_once: 3\njob_timeout: 2h\n"
    settings = settings_of(plan_of(tmp_path, text))
    assert [(p.host, p.port, p.enrol_port) for p in settings.places] == [
        ("a.example", 4506, 4505),
        ("b.example", 7000, 6999),
    ]
    assert settings.limits.side_by_side_max == 3
    assert settings.limits.timeout_s(0) == 7200
    assert settings.limits.timeout_s(60) == 60
    assert settings.limits.timeout_s(1e6) == 7200


def test_without_limits_a_job_has_a_day_or_what_its_sender_says(tmp_path: Path) -> None:
    limits = settings_of(plan_of(tmp_path, "master: a.example\n")).limits
    assert limits.timeout_s(0) == 24 * 3600
    assert limits.timeout_s(30 * 24 * 3600) == 30 * 24 * 3600


def test_functions_that_the_administrator_refuses_are_not_answered_by_the_link(
    tmp_path: Path,
) -> None:
    plan = plan_of(tmp_path, "master: a.example\nrefuse: ['test.e*', 'cmd.*']\n")
    allowed = permitted(INSTANT, plan)
    assert "test.echo" not in allowed
    assert "test.ping" in allowed
