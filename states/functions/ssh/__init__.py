"""`ssh.*`: who may log in by key, and which hosts are known."""

from limpet.states.functions.ssh.authorized import (
    auth_keys,
    check_key,
    check_key_file,
    rm_auth_key,
    rm_auth_key_from_file,
    set_auth_key,
    set_auth_key_from_file,
    user_keys,
)
from limpet.states.functions.ssh.known import (
    check_known_host,
    get_known_host_entries,
    hash_known_hosts,
    host_keys,
    recv_known_host_entries,
    rm_known_host,
    set_known_host,
)

__all__ = [
    "auth_keys", "check_key", "check_key_file", "check_known_host", "get_known_host_entries",
    "hash_known_hosts", "host_keys", "recv_known_host_entries", "rm_auth_key",
    "rm_auth_key_from_file", "rm_known_host", "set_auth_key", "set_auth_key_from_file",
    "set_known_host", "user_keys",
]  # fmt: skip
