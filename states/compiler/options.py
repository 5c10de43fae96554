"""Salt's `opts`, which formulas read: this minion's configuration under Salt's names."""

from collections.abc import Mapping
from typing import Any


def salt_options(
    configuration: Mapping[str, Any],
    *,
    minion_id: str,
    file_roots: Mapping[str, list[str]],
    pillar_roots: Mapping[str, list[str]],
    cache_directory: str,
    is_local: bool,
    test_mode: bool = False,
    saltenv: str | None = None,
    pillarenv: str | None = None,
    grains: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Give the mapping. The user's own keys (under `custom`) stand beside the others, as in Salt.

    `is_local`: files are read from this host, as by `limpet call --local`.
    """
    defaults: dict[str, Any] = {
        "renderer": "jinja|yaml",
        "state_top": "salt://top.sls",
        "hash_type": "sha256",
        "failhard": False,
        "state_aggregate": False,
        "state_auto_order": True,
        "top_file_merging_strategy": "merge",
        "pillar_source_merging_strategy": "smart",
        "default_top": "base",
        "env_order": [],
        "nodegroups": {},
        "master": "salt",
        "user": "root",
        "log_level": "warning",
        "root_dir": "/",
    }
    own = {key: value for key, value in configuration.items() if value is not None}
    custom = own.pop("custom", None) or {}
    return {
        **defaults,
        **own,
        **custom,
        "__cli": "salt-call" if is_local else "salt-minion",
        "__role": "minion",
        "id": minion_id,
        "minion_id": minion_id,
        "test": test_mode,
        "saltenv": saltenv,
        "pillarenv": pillarenv,
        "file_client": "local" if is_local else "remote",
        "local": is_local,
        "file_roots": {name: list(paths) for name, paths in file_roots.items()},
        "pillar_roots": {name: list(paths) for name, paths in pillar_roots.items()},
        "cachedir": cache_directory,
        "extension_modules": f"{cache_directory}/extmods",
        "grains": dict(grains or {}),
    }
