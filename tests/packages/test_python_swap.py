"""The distribution's python3 is removed, replaced, spoilt under a running minion: it serves on."""

import pytest

from deb.interpreter import INTERPRETER
from support.packaging.package_builds import Built, NewRoot, cached_debs

SCRIPT = """
ip link set lo up
export LIMPET_ROOT=/root/master
mkdir -p -m 700 $LIMPET_ROOT /root/web1
echo 'listen: 127.0.0.1' >$LIMPET_ROOT/master.yaml
limpet master 2>/tmp/master.log &
until limpet status >/dev/null 2>&1; do sleep 0.1; done
start_minion() {
    limpet --root /root/web1 minion --id web1 --master 127.0.0.1 "$@" 2>>/tmp/minion.log &
    minion=$!
}
job() { # WHAT
    echo "$1: $(limpet run --timeout 30 --format json web1 cmd.run 'echo served' | tr -d ' \\n')"
}
pythons() { ls /usr/bin/python3* 2>/dev/null | tr '\\n' ' '; }

dpkg -i --force-depends @DEBS@ >/dev/null 2>&1
ln -s python3.11 /usr/bin/python3
/usr/bin/python3 -c 'import json; print("host has", json.loads("[3.11]")[0])'
start_minion --join "$(limpet token create)"
until limpet minions | grep -q ready; do sleep 0.1; done
job before

dpkg --purge --force-depends @NAMES@ >/dev/null 2>&1
rm /usr/bin/python3
echo "host has <$(pythons)>"
job removed
kill $minion; wait $minion || :
start_minion
job removed-and-restarted

# Another version: nothing of it fits.
printf '#!/bin/sh\\nexit 42\\n' >/usr/bin/python3.13
chmod +x /usr/bin/python3.13; ln -s python3.13 /usr/bin/python3
mkdir -p /usr/lib/python3.11 /usr/lib/python3/dist-packages /etc/python3.11
for name in /usr/lib/python3.11/os /usr/lib/python3/dist-packages/zmq /etc/python3.11/sitecustomize
do echo 'raise SystemExit("of another version")' >$name.py; done
job replaced
kill $minion; wait $minion || :
start_minion
job replaced-and-restarted
kill $minion; wait $minion || :
"""


def test_a_swap_of_the_distributions_python_strands_nobody(built: Built, new_root: NewRoot) -> None:
    names = (*INTERPRETER, "libexpat1")
    debs = cached_debs(names)
    if len(debs) != len(names):
        pytest.skip("the cache of the build has no python3.11 of Debian")
    root = new_root()
    root.run(f"dpkg -i {root.bring(built.minion, built.master)}")
    script = SCRIPT.replace("@DEBS@", root.bring(*debs))
    script = script.replace("@NAMES@", " ".join(names))

    said = root.run(script, timeout_s=180).splitlines()

    answered = [line.partition(": ")[0] for line in said if '"return":"served"' in line]
    assert [line for line in said if line.startswith("host")] == ["host has 3.11", "host has <>"]
    assert answered == [
        "before", "removed", "removed-and-restarted", "replaced", "replaced-and-restarted",
    ], said  # fmt: skip
    assert all('"status":"ok"' in line for line in said if "served" in line)
    log = root.text("tmp/minion.log")
    assert "Traceback" not in log
    assert "of another version" not in log
