"""State functions that have no inputs of their own: held elsewhere, or not to be held at all."""

PACKAGES = "tests/unit/states/host/packages/test_package_laws.py"
REPOSITORIES = "tests/unit/states/host/packages/test_pkgrepo_laws.py"
ACCOUNTS = "tests/system/minion/test_accounts.py"
MOUNTS = "tests/system/minion/test_system_settings.py"
FILTER = "tests/system/fleet/test_packet_filter.py"

HELD_ELSEWHERE: dict[str, str] = {
    # With worlds that are generated too, not arguments alone.
    **dict.fromkeys(
        (
            "pkg.downloaded", "pkg.held", "pkg.installed", "pkg.latest", "pkg.purged",
            "pkg.removed", "pkg.unheld", "pkg.uptodate",
        ),
        PACKAGES,
    ),
    **dict.fromkeys(("pkgrepo.absent", "pkgrepo.managed"), REPOSITORIES),
    # With the real tools of the machine, as root, in namespaces and on a copy of /etc.
    **dict.fromkeys(("user.absent", "user.present", "group.absent", "group.present"), ACCOUNTS),
    **dict.fromkeys(("mount.mounted", "mount.unmounted"), MOUNTS),
    **dict.fromkeys(
        (
            "iptables.append", "iptables.chain_absent", "iptables.chain_present",
            "iptables.delete", "iptables.flush", "iptables.insert", "iptables.set_policy",
        ),
        FILTER,
    ),
}  # fmt: skip
"""The file that holds a function to the same laws, over inputs of its own."""

_WATCH = "is called where something watched has changed, and then does it again"
_ALWAYS = "does in every run what it is told; conditions and requisites keep it from it"
_PRETENDS = "pretends a change, for tests of what depends on it"
_ASKS = "asks in a run and changes nothing; test mode says that it would ask"

NOT_HELD: dict[str, str] = {
    **dict.fromkeys(
        (
            "cmd.mod_watch", "event.mod_watch", "module.mod_watch", "mount.mod_watch",
            "pkg.mod_watch", "service.mod_watch", "supervisord.mod_watch", "test.mod_watch",
            "module.watch",
        ),
        _WATCH,
    ),
    **dict.fromkeys(("cmd.run", "cmd.script", "cmd.call", "module.run"), _ALWAYS),
    **dict.fromkeys(
        ("test.configurable_test_state", "test.fail_with_changes", "test.succeed_with_changes"),
        _PRETENDS,
    ),
    **dict.fromkeys(
        ("http.query", "http.wait_for_successful_query", "loop.until", "loop.until_no_eval"), _ASKS
    ),
    "file.touch": "sets the times of a file in every run",
    "selinux.fcontext_policy_applied": "needs the labels of a file system that has some",
}  # fmt: skip
"""Why a function is not held to the laws."""
