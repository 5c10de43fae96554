"""The simulator can fail: machines that are broken on purpose are caught, each within a few seeds.

`pytest -s` prints for each variant after how many seeds, and by which check.
"""

from concurrent.futures import ProcessPoolExecutor

import pytest

from support.simulator.command import hunt, play
from support.simulator.story import seeds
from support.simulator.variants import ALL


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_broken_variant_is_caught() -> None:
    assert play(seeds(0, 3)).failures == [], "whole machines must pass what broken ones do not"
    with ProcessPoolExecutor(2) as pool:
        caught = dict(zip(ALL, pool.map(hunt, ALL), strict=True))
    for name, (count, text) in caught.items():
        print(f"{name:<36} {count:>5} of {ALL[name].within}  {text[:160]}")
    assert len(ALL) >= 25
    missed = [
        f"{name}, within {ALL[name].within} seeds {caught[name][1]}"
        for name in ALL
        if not caught[name][0]
    ]
    assert not missed, f"not caught: {missed}"


def test_a_variant_is_in_force_only_while_it_is_asked_for() -> None:
    for variant in ALL.values():
        changes = variant.changes()
        before = [owner.__dict__[name] for owner, name, _ in changes]
        with variant.in_force():
            assert all(
                owner.__dict__[name] is not value
                for (owner, name, _), value in zip(changes, before, strict=True)
            )
        assert [owner.__dict__[name] for owner, name, _ in changes] == before
