"""Salt's configuration becomes limpet's: taken over, renamed, or named with what to do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from limpet.common.settings.loader import Configuration, load_text
from limpet.common.settings.master import MasterConfiguration
from limpet.common.settings.migration import Migrated, migrate_master, migrate_minion
from limpet.common.settings.minion import MinionConfiguration


def test_the_masters_keys_are_taken_over_renamed_or_told() -> None:
    found = migrate_master(
        {
            "interface": "10.0.0.1",
            "ret_port": 5506,
            "file_roots": {"base": ["/srv/salt"]},
            "keep_jobs": 48,
            "worker_threads": 10,
            "reactor": [{"x": ["y"]}],
            "our_own": 1,
            "log_level": "trace",
            "state_top": "salt://site.sls",
            "jinja_trim_blocks": True,
            "ext_pillar": [{"cmd_yaml": "echo {}"}, {"git": ["master x"]}],
        }
    )
    assert found.values == {
        "listen": "10.0.0.1",
        "port": 5506,
        "file_roots": {"base": ["/srv/salt"]},
        "history_days": 2.0,
        "custom": {"our_own": 1},
        "log_level": "debug",
        "state_top": "site.sls",
        "jinja_trim_blocks": True,
        "ext_pillar": [{"cmd_yaml": "echo {}"}],
    }
    told = "\n".join(found.notes)
    assert "reactor: there is no reactor" in told
    assert "ext_pillar: git is not there" in told
    assert "worker_threads" not in told


def test_the_minions_keys_are_taken_over_renamed_or_told() -> None:
    found = migrate_minion(
        {
            "master": ["a.example.org", "b.example.org"],
            "master_port": 5506,
            "disable_modules": ["cmd", "ps"],
            "grains": {"role": "web"},
            "environment": "dev",
        },
        "Web1",
    )
    assert found.values == {
        "id": "web1",
        "master": ["a.example.org", "b.example.org"],
        "port": 5506,
        "refuse": ["cmd.*", "ps.*"],
        "grains": {"role": "web"},
        "saltenv": "dev",
    }
    assert any("join string" in note for note in found.notes)


def test_a_value_that_limpet_would_refuse_is_left_out_and_told() -> None:
    found = migrate_master({"port": "many", "top_file_merging_strategy": "some"})
    assert found.values == {}
    assert len(found.notes) == 2


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 70000) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
KEYS = st.sampled_from(
    [
        *("file_roots", "nodegroups", "renderer", "env_order", "failhard", "jinja_env", "custom"),
        *("grains", "file_client", "pillar_roots", "ext_pillar", "anything", "default_top"),
    ]
)


@given(st.dictionaries(KEYS, VALUES, max_size=6))
@pytest.mark.parametrize(
    "migrate, kind", [(migrate_master, MasterConfiguration), (migrate_minion, MinionConfiguration)]
)
def test_what_is_written_is_what_limpet_reads(
    migrate: Callable[[dict[str, Any]], Migrated],
    kind: type[Configuration],
    salt: dict[str, Any],
) -> None:
    text = migrate(salt).text()
    assert yaml.safe_load(text) is not None
    load_text(kind, text, "made.yaml", Path("/"))
