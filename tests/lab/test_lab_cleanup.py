"""A lab that was killed half-way leaves nothing after `down`, and disturbs no other lab."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from limpet_lab import Lab
from limpet_lab.cgroups import Group, hierarchies
from limpet_lab.disk import mounts
from limpet_lab.network import namespaces
from support.hosts.labs import LabOf

PROGRAM = Path(__file__).parents[2] / "packaging/lab/lab.py"
MOMENTS_S = (0.4, 0.7, 1.0, 1.4)


def left_of(lab: Lab) -> list[str]:
    """List what there is of a lab outside its directory."""
    name = lab.place.name
    found = [each for each in namespaces() if each.startswith(name)]
    found += [str(each) for each in mounts() if lab.place.directory in each.parents]
    found += [str(each / name) for each in hierarchies() if (each / name).exists()]
    loops = subprocess.run(["losetup", "--list", "--noheadings", "--output", "BACK-FILE"],
                           capture_output=True, text=True, check=True).stdout  # fmt: skip
    return found + [each for each in loops.splitlines() if str(lab.place.directory) in each]


def test_a_lab_that_was_killed_leaves_nothing_after_down(lab_of: LabOf, tmp_path: Path) -> None:
    other = lab_of(1, is_enrolled=False).lab
    lab = Lab(tmp_path / "killed")
    seen = []
    for moment_s in MOMENTS_S:
        with subprocess.Popen(
            [sys.executable, PROGRAM, "up", "2"],
            env={
                "LIMPET_LAB_DIR": str(lab.place.directory),
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as bringing_up:
            time.sleep(moment_s)
            bringing_up.send_signal(signal.SIGKILL)
        seen += left_of(lab)
        lab.down()
        assert left_of(lab) == []
        assert Group(lab.place.name).processes() == []
    assert seen, "nothing was there to be cleaned up"
    assert other.host("web1").exec(["hostname"]).out == "web1\n"


def test_two_labs_with_the_same_addresses_do_not_meet(lab_of: LabOf, tmp_path: Path) -> None:
    one, two = lab_of(1, is_enrolled=False).lab, Lab(tmp_path / "second")
    try:
        two.up(1)
        two.dns.set("only-here", "10.77.0.9")
        assert one.host("web1").address == two.host("web1").address
        two.host("web1").write("/root/mark", "second\n")
        assert two.host("web1").exec("getent hosts only-here").code == 0
        assert one.host("web1").exec("getent hosts only-here").code != 0
        assert one.host("web1").exec("test -e /root/mark").code != 0
    finally:
        two.down()
    assert one.host("web1").exec(["hostname"]).out == "web1\n"
