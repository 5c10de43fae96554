"""Packages on hosts with a systemd that runs: what they start, what they leave alone and behind."""

import pytest

from limpet_lab.fleet import install
from limpet_lab.host import Host
from limpet_lab.packages import another_version, packages
from limpet_lab.running import wait_until
from support.hosts.labs import LabOf

LISTING = r"""
find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /root \
    -o -path /var/log -o -path /var/lib/dpkg -o -path /var/lib/systemd \
    -o -path '/etc/*-' \) -prune \
    -o ! -path /etc/ld.so.cache ! -path /etc/machine-id ! -path '/var/cache/ldconfig*' \
    ! -path /etc/.pwd.lock \( ! -path '/etc/systemd/*' -o -name '*limpet*' \) \
    -printf '%p %y %m %u:%g %l\n' | sort; cat /etc/passwd /etc/group
"""
"""A host without what it writes for itself, whatever is installed."""

ALONE = """
set -e
echo 'listen: 127.0.0.1' >/etc/limpet/master.d/50-setup.yaml
chgrp limpet /etc/limpet/master.d/50-setup.yaml
systemctl enable --now limpet-master
umask 077
printf 'master: 127.0.0.1\njoin: %s\n' "$(limpet token create)" >/etc/limpet/minion.d/50-setup.yaml
systemctl enable --now limpet-minion
"""
"""Master and minion of one host: all that limpet can leave on one."""


def state(host: Host, unit: str) -> str:
    """Say whether a unit is enabled, and whether it runs."""
    said = host.exec(f"systemctl is-enabled {unit}; systemctl is-active {unit}").out
    return " ".join(said.split())


@pytest.fixture(scope="module")
def hosts(lab_of: LabOf) -> list[Host]:
    """Give two hosts on which nothing is installed yet."""
    return lab_of(1, is_enrolled=False).lab.hosts


def test_nothing_starts_that_is_not_configured_and_purge_leaves_nothing(hosts: list[Host]) -> None:
    host, built = hosts[0], packages()
    before = host.exec(LISTING).checked().out
    install(host, built.both)
    assert state(host, "limpet-minion") == "disabled inactive"
    assert state(host, "limpet-master") == "disabled inactive"
    assert state(host, "limpet-enrol") == "static inactive"
    assert host.exec("find /var/lib/limpet /var/lib/limpet-minion -mindepth 1").out == ""
    # The first boot of an image: systemd does what presets say.
    host.exec("echo uninitialized >/etc/machine-id; sync").checked()
    host.reboot()
    assert state(host, "limpet-minion") == "disabled inactive"
    assert state(host, "limpet-minion-upgrade") == "enabled inactive"  # nothing to go on with
    assert host.exec("systemctl --failed --no-legend").out == ""

    host.exec(ALONE, timeout_s=60).checked()
    assert wait_until(lambda: " ready " in host.exec("limpet minions").out, 15)
    assert host.exec("limpet run '*' cmd.run 'echo done'", timeout_s=30).code == 0
    host.exec("dpkg --purge limpet-minion limpet-master", timeout_s=90).checked()

    assert host.exec(LISTING).checked().out == before
    assert host.exec("ls /run | grep limpet; systemctl --failed --no-legend").out == ""
    assert host.exec("systemctl list-unit-files --no-legend 'limpet*'").out == ""


def test_what_is_configured_starts_when_it_is_installed_and_people_decide_what_goes_on(
    hosts: list[Host],
) -> None:
    host, built = hosts[1], packages()
    newer = another_version(built, f"{built.version}+lab1")
    host.exec("mkdir -p /etc/limpet/minion.d").checked()
    host.write("/etc/limpet/minion.d/site.yaml", "master: 192.0.2.1\nmaster_key: nobody\n", 0o600)

    # An image is made: its policy says that nothing is started in it.
    host.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
    install(host, [built.minion])
    assert state(host, "limpet-minion") == "enabled inactive"
    host.exec("rm /usr/sbin/policy-rc.d; dpkg --remove limpet-minion", timeout_s=60).checked()

    install(host, [built.minion])
    assert state(host, "limpet-minion").split()[0] == "enabled"
    assert state(host, "limpet-minion").split()[1] in ("active", "activating")

    # Off by a person's hand: no upgrade turns it on.
    host.exec("systemctl disable --now limpet-minion", timeout_s=60).checked()
    install(host, [newer.minion])
    assert state(host, "limpet-minion") == "disabled inactive"
    assert host.exec("limpet --version").out == f"limpet {newer.version}\n"
    host.exec("dpkg --purge limpet-minion", timeout_s=60).checked()
    kept = host.exec("ls -ld /etc/limpet /etc/limpet/minion.d/*").out
    assert "site.yaml" in kept
    assert " limpet " not in kept
