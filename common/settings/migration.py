"""Salt's configuration turned into limpet's, key by key; what can't be turned is told.

A key that has the same name and sense here is taken over, one with another name is renamed, one
that nothing here would read goes under `custom:`, where `config.get` and `opts` find it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from limpet.common.errors import SourceError
from limpet.common.settings.loader import Configuration, convert
from limpet.common.settings.master import MasterConfiguration
from limpet.common.settings.minion import MinionConfiguration
from limpet.common.settings.source import Source

_LEVELS: Final = {"garbage": "debug", "trace": "debug", "all": "debug", "profile": "debug"}
_HOURS_OF_A_DAY: Final = 24.0
_SECONDS_OF_A_DAY: Final = 86400.0

_NOT_HERE: Final = {
    "fileserver_backend": "only directories are served; keep the tree in a checkout of its own",
    "gitfs_remotes": "there is no gitfs: keep a checkout of the repository in `file_roots`",
    "git_pillar": "there is no git pillar: keep a checkout of the repository in `pillar_roots`",
    "decrypt_pillar": "GPG in pillar is not decrypted; see docs/from-salt.md",
    "gpg_keydir": "GPG in pillar is not decrypted; see docs/from-salt.md",
    "reactor": "there is no reactor; follow `limpet events` with a program of your own",
    "engines": "there are no engines",
    "beacons": "there are no beacons",
    "schedule": "there is no scheduler: use cron or systemd timers with `limpet call`",
    "mine_functions": "there is no mine; `mine.get` gives nothing",
    "mine_interval": "there is no mine",
    "master_finger": "minions learn the master's key from a join string: `limpet token create`",
    "peer": "minions can't command one another",
    "external_auth": "members of the group `limpet` may give commands; there is no other login",
    "publisher_acl": "members of the group `limpet` may give commands, root always may",
    "rosters": "there is no salt-ssh",
    "startup_states": "run `limpet call state.apply` by a service of your own at the start",
    "syndic_master": "there are no syndics",
    "proxy": "there are no proxy minions",
    "returner": "results are kept by the master; there are no returners",
    "master_tops": "only top files say what a minion gets",
    "auto_accept": "make a join string: `limpet token create --uses N`",
    "autosign_file": "make a join string: `limpet token create --id-pattern 'web*'`",
    "open_mode": "make a join string: `limpet token create`",
}
"""What has no place here, and what to do instead."""

_DROPPED: Final = frozenset(
    (
        "user", "root_dir", "pki_dir", "cachedir", "sock_dir", "pidfile", "conf_file", "log_file",
        "log_level_logfile", "log_fmt_console", "log_fmt_logfile", "log_datefmt",
        "log_datefmt_logfile", "worker_threads", "master_type", "master_alive_interval",
        "auth_timeout", "auth_tries", "auth_safemode", "acceptance_wait_time",
        "acceptance_wait_time_max", "random_reauth_delay", "recon_default", "recon_max",
        "recon_randomize", "ping_interval", "tcp_keepalive", "tcp_keepalive_idle",
        "tcp_keepalive_cnt", "tcp_keepalive_intvl", "zmq_filtering", "multiprocessing",
        "max_open_files", "hash_type", "verify_env", "color", "cli_summary", "timeout",
        "gather_job_timeout", "loop_interval", "job_cache", "ipv6", "ssh_log_file", "transport",
        "keysize", "sudo_user", "publish_port", "default_include", "include", "minion_id_caching",
        "hash_stringcompare", "state_events", "state_aggregate", "file_client_type",
    )
)  # fmt: skip
"""Keys of Salt's inner workings: nothing here needs them."""


@dataclass(slots=True)
class Migrated:
    """What became of one of Salt's files."""

    values: dict[str, Any] = field(default_factory=dict)
    """The keys of limpet's file."""
    notes: list[str] = field(default_factory=list)
    """What a person should know, a line for each key that was not simply taken over."""

    def text(self) -> str:
        """Give the file, in YAML."""
        import yaml

        return str(yaml.safe_dump(self.values, sort_keys=False, allow_unicode=True, width=100))


def migrate_master(salt: Mapping[str, Any]) -> Migrated:
    """Turn the keys of Salt's `master`."""
    return _migrated(salt, MasterConfiguration, _MASTER)


def migrate_minion(salt: Mapping[str, Any], minion_id: str | None = None) -> Migrated:
    """Turn the keys of Salt's `minion`; `minion_id` is what its `minion_id` file says."""
    found = _migrated(salt, MinionConfiguration, _MINION)
    if minion_id and "id" not in found.values:
        found.values = {"id": minion_id.lower(), **found.values}
    if "master" in found.values:
        found.notes.append(
            "the minion needs a join string of the new master once: limpet token create"
        )
    return found


def _migrated(
    salt: Mapping[str, Any],
    kind: type[Configuration],
    renamed: Mapping[str, "Conversion"],
) -> Migrated:
    fields = {each.encode_name for each in msgspec.structs.fields(kind)}
    found = Migrated()
    for key, value in salt.items():
        if value is None or key in _DROPPED:
            continue
        if key in renamed:
            renamed[key](value, found)
        elif key in _NOT_HERE:
            if value:
                found.notes.append(f"{key}: {_NOT_HERE[key]}")
        elif key in fields:
            _take(kind, key, value, found)
        else:
            found.values.setdefault("custom", {})[key] = value
            found.notes.append(f"{key}: put under `custom:`; nothing of limpet's own reads it")
    return found


def _take(kind: type[Configuration], key: str, value: object, found: Migrated) -> None:
    """Take a key over if limpet would accept its value."""
    try:
        convert(kind, Source("", {key: value}), Path("/"))  # type: ignore[dict-item]
    except SourceError as error:
        found.notes.append(f"{key}: left out, {error}")
        return
    found.values[key] = value


Conversion = Callable[[Any, Migrated], None]


def _to(key: str, change: Callable[[Any], Any] = lambda value: value) -> Conversion:
    def take_over(value: Any, found: Migrated) -> None:  # noqa: ANN401
        found.values[key] = change(value)

    return take_over


def _interface(value: Any, found: Migrated) -> None:  # noqa: ANN401
    if str(value) not in ("0.0.0.0", "::"):  # noqa: S104 - what is compared with, not bound
        found.values["listen"] = str(value)


def _master(value: Any, found: Migrated) -> None:  # noqa: ANN401
    masters = value if isinstance(value, list) else [value]
    found.values["master"] = masters if len(masters) > 1 else masters[0]
    if len(masters) > 1:
        found.notes.append(
            "master: several addresses are taken for those of one master, tried in turn"
        )


def _modules(value: Any, found: Migrated) -> None:  # noqa: ANN401
    refused = found.values.setdefault("refuse", [])
    refused += [f"{name}.*" for name in (value if isinstance(value, list) else [value])]


def _id(value: Any, found: Migrated) -> None:  # noqa: ANN401
    name = str(value)
    found.values["id"] = name.lower()
    if name != name.lower():
        found.notes.append(f"id: {name!r} is written in small letters here")


def _level(value: Any, found: Migrated) -> None:  # noqa: ANN401
    found.values["log_level"] = _LEVELS.get(str(value), str(value))


def _pillar(value: Any, found: Migrated) -> None:  # noqa: ANN401
    kept = []
    for entry in value if isinstance(value, list) else []:
        name = next(iter(entry), "") if isinstance(entry, dict) else str(entry)
        if name in ("cmd_yaml", "cmd_json", "file_tree"):
            kept.append(entry)
        else:
            found.notes.append(
                f"ext_pillar: {name} is not there; write a plugin, or use cmd_yaml with a command"
            )
    if kept:
        found.values["ext_pillar"] = kept


def _state_top(value: Any, found: Migrated) -> None:  # noqa: ANN401
    found.values["state_top"] = re.sub(r"\Asalt://", "", str(value))


_BOTH: Final[Mapping[str, Conversion]] = {
    "log_level": _level,
    "ext_pillar": _pillar,
    "state_top": _state_top,
}

_MASTER: Final[Mapping[str, Conversion]] = {
    **_BOTH,
    "interface": _interface,
    "ret_port": _to("port"),
    "keep_jobs": _to("history_days", lambda hours: float(hours) / _HOURS_OF_A_DAY),
    "keep_jobs_seconds": _to("history_days", lambda seconds: float(seconds) / _SECONDS_OF_A_DAY),
}

_MINION: Final[Mapping[str, Conversion]] = {
    **_BOTH,
    "id": _id,
    "master": _master,
    "master_port": _to("port"),
    "disable_modules": _modules,
    "environment": _to("saltenv"),
    "process_count_max": _to("jobs_at_once", lambda count: max(1, min(64, int(count) or 8))),
}
