"""A script of the package that is killed at any point, and run again: as if nothing had been."""

from conftest import Tell

from support.packaging.package_builds import Built, NewRoot

PROGRAMS = (
    "chmod", "chown", "cp", "dpkg-statoverride", "find", "getent", "groupadd", "ln",
    "mkdir", "mv", "readlink", "rm", "sync", "systemctl", "update-alternatives", "useradd",
    "usermod",
)  # fmt: skip

SHIM = """#!/bin/sh
# Counts the programs that the script starts; kills the script before the one asked for.
step=$(($(cat /tmp/step) + 1))
echo $step >/tmp/step
if [ "$step" = "$(cat /tmp/kill-before)" ]; then kill -9 $(cat /tmp/victim); exit 0; fi
export PATH=/usr/sbin:/usr/bin:/sbin:/bin; exec "${0##*/}" "$@"
"""

EACH = """
package=limpet-{role}
info=/var/lib/dpkg/info/$package
run() {{ # KILL-BEFORE
    echo 0 >/tmp/step; echo $1 >/tmp/kill-before
    PATH=/tmp/shims:$PATH sh -c 'echo $$ >/tmp/victim; exec sh "$0" configure' $info.postinst \\
        >>/tmp/said 2>&1
}}
state() {{
    cd /
    find opt/limpet/{role} etc/limpet var/lib/limpet* srv usr/bin/limpet etc/alternatives/limpet \\
        ! -path '*/payload/*' -printf '%p %y %m %u:%g %n %l\\n' 2>&1 | sort
    getent group limpet limpet-enrol; getent passwd limpet limpet-enrol
}}
fresh() {{
    sh $info.prerm remove >>/tmp/said 2>&1
    rm -rf /opt/limpet/{role}/versions /opt/limpet/{role}/current /opt/limpet/{role}/.*-*
    sh $info.postrm purge >>/tmp/said 2>&1
}}
fresh; run 0; state >/tmp/wanted
steps=$(cat /tmp/step); [ $steps -le {last} ] || steps={last}
kill=1
while [ $kill -le $steps ]; do
    fresh
    if run $kill; then echo "not killed at $kill"; fi
    run 0 || echo "fails after $kill"
    state >/tmp/got
    diff /tmp/wanted /tmp/got || echo "differs after $kill"
    kill=$((kill + 1))
done
echo $steps steps
"""


def cut_off_everywhere(root_of: NewRoot, built: Built, role: str, last: int) -> str:
    package = built.minion if role == "minion" else built.master
    root = root_of()
    root.run(f"dpkg -i {root.bring(package)}; mkdir /tmp/shims")
    # The scripts run nothing of it; a small payload is linked faster.
    root.run(f"rm -r /opt/limpet/{role}/payload/lib/python3.11")
    for name in PROGRAMS:
        (root.path / "tmp/shims" / name).write_text(SHIM)
        (root.path / "tmp/shims" / name).chmod(0o755)
    return root.run("set +e" + EACH.format(role=role, last=last), timeout_s=240)


def test_a_postinst_of_the_minion_may_be_killed_at_any_step(
    built: Built, new_root: NewRoot, tell: Tell
) -> None:
    said = cut_off_everywhere(new_root, built, "minion", 99).splitlines()
    assert len(said) == 1, said
    steps = int(said[0].split()[0])
    tell(f"killed before each of {steps} steps")
    assert steps > 20


def test_a_postinst_of_the_master_may_be_killed_while_it_makes_users_and_directories(
    built: Built, new_root: NewRoot, tell: Tell
) -> None:
    said = cut_off_everywhere(new_root, built, "master", 38).splitlines()
    assert len(said) == 1, said
    steps = int(said[0].split()[0])
    tell(f"killed before each of {steps} steps")
    assert steps == 38  # what comes after is the same as the minion's
