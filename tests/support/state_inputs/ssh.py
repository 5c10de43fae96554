"""Inputs of `ssh_auth` and `ssh_known_hosts`, in homes of the world's own."""

import os
from pathlib import Path

from limpet.states.host.machine import ThisMachine
from limpet.states.ports.machine import Account
from support.fakes.host import FakeAccounts
from support.states.state_bench import FakeTree, StateBench
from support.states.state_laws import Inputs, Sandbox, World, among, having

ONE = "AAAAC3NzaC1lZDI1NTE5AAAAIN1+H0J6a1exJzXZCF71ysHl7bPMUilH/HrwoOa4GIP+"
TWO = "AAAAC3NzaC1lZDI1NTE5AAAAIIUoPj8CLIE3+zAmKq7FA17LoebrEsdCahe3GkIe1chQ"
THREE = "AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7"


def world(place: Path) -> World:
    """Give a machine where ann has one key and one known host, and bob nothing."""
    host = ThisMachine()
    host.accounts = FakeAccounts(
        [
            Account(name, os.getuid(), os.getgid(), str(place / name), "/bin/sh")
            for name in ("ann", "bob")
        ]
    )
    for name in ("ann", "bob"):
        (place / name).mkdir()
    (place / "ann/.ssh").mkdir(mode=0o700)
    keys = place / "ann/.ssh/authorized_keys"
    keys.write_text(f"# mine\nssh-ed25519 {ONE} one\nno-pty ssh-rsa {THREE} three\n")
    keys.chmod(0o600)
    hosts = place / "ann/.ssh/known_hosts"
    hosts.write_text(f"known.example.org ssh-ed25519 {ONE}\nother.example.org ssh-rsa {THREE}\n")
    hosts.chmod(0o600)
    tree = FakeTree({"keys": f"# ours\nssh-ed25519 {ONE} one\nssh-ed25519 {TWO} two\n".encode()})
    return Sandbox(StateBench(place, tree, host=host))


USERS = among("ann", "bob")
KEYS = among(ONE, TWO, f"ssh-ed25519 {TWO} again", f"ssh-ed25519 {ONE} one")
ENC = ("ed25519", "ssh-ed25519")
HOSTS = among("known.example.org", "new.example.org", "other.example.org")

INPUTS: dict[str, Inputs] = {
    "ssh_auth.present": Inputs(
        world=world,
        arguments=having(
            {"name": KEYS, "user": USERS, "enc": among(*ENC)},
            comment=("", "c d"),
            options=(["no-pty"], ['from="a b"', "no-pty"]),
            source=("salt://keys",),
        ),
        changing={"name": TWO, "user": "ann", "enc": "ed25519"},
        examples=40,
        is_announced_in_changes=False,
    ),
    "ssh_auth.absent": Inputs(
        world=world,
        arguments=having({"name": KEYS, "user": USERS, "enc": among(*ENC)}, source=("salt://keys",)),
        changing={"name": ONE, "user": "ann", "enc": "ed25519"},
        is_announced_in_changes=False,
    ),
    "ssh_auth.manage": Inputs(
        world=world,
        arguments=having(
            {"name": among("it"), "user": USERS},
            ssh_keys=([], [f"ssh-ed25519 {TWO} two"], [f"ssh-ed25519 {ONE} one"]),
        ).map(lambda each: {"ssh_keys": [f"ssh-ed25519 {ONE}"], **each}),
        changing={"name": "it", "user": "ann", "ssh_keys": [f"ssh-ed25519 {TWO} two"]},
        is_announced_in_changes=False,
    ),
    "ssh_known_hosts.present": Inputs(
        world=world,
        arguments=having(
            {"name": HOSTS, "user": USERS, "key": among(ONE, TWO), "enc": among("ssh-ed25519")},
            hash_known_hosts=(True, False),
            port=(22, 2222),
        ),
        changing={
            "name": "new.example.org", "user": "ann", "key": TWO, "enc": "ssh-ed25519",
            "hash_known_hosts": False,
        },
        is_announced_in_changes=False,
    ),
    "ssh_known_hosts.absent": Inputs(
        world=world,
        arguments=having({"name": HOSTS, "user": USERS}, port=(22, 2222)),
        changing={"name": "known.example.org", "user": "ann"},
        is_announced_in_changes=False,
    ),
}  # fmt: skip
