"""What is secret stands in no command line, environment, log, answer or database."""

from pathlib import Path

import pytest

from limpet.common.crypto.joinstring import parse_join_string
from limpet.common.crypto.keys import encode_z85
from support.master.fleet import Fleet, Node, descendants, wait_until


def _files_below(place: Path) -> list[Path]:
    return [path for path in place.rglob("*") if path.is_file() and not path.is_symlink()]


@pytest.mark.covers("R-3.4", "R-3.5")
def test_a_join_string_of_the_command_line_is_in_nobodys_sight_once_the_minion_runs(
    tmp_path: Path,
) -> None:
    with Fleet(tmp_path) as fleet:
        fleet.start_master()
        wait_until("the Unix socket is there", (fleet.master.root / "run/master.sock").exists)
        join = fleet.make_token(uses=1)
        node = Node(fleet, "web1", ["minion", "--id", "web1"])
        fleet.minions["web1"] = node
        (node.root / "minion.yaml").write_text(
            f"master: {fleet.host}:{fleet.port}\nenrol_port: {fleet.enrol_port}\n"
        )
        node.start("--join", join)
        fleet.wait_ready(1)
        code, _ = fleet.run_json("*", "cmd.run", "env; tr '\\0' '\\n' < /proc/$PPID/environ")
        assert code == 0
        spool = node.root / "state/minion/spool"
        wait_until("the minion's files stand still", lambda: not list(spool.glob("*.result")))

        token = parse_join_string(join)
        minion_secret = (node.root / "state/minion/keys/minion.secret").read_text().strip()
        master_secret = (fleet.master.root / "state/master/keys/master.secret").read_text().strip()
        wanted = [
            each.encode() if isinstance(each, str) else each
            for each in (
                join,
                join.rpartition(".")[2][:40],
                token.secret,
                token.secret.hex(),
                encode_z85(token.secret),
                minion_secret,
                master_secret,
            )
        ]
        pids = [top for each in (node, fleet.master) for top in (each.pid, *descendants(each.pid))]
        told = {
            f"{pid} {what}": Path(f"/proc/{pid}/{what}").read_bytes()
            for pid in pids
            for what in ("cmdline", "environ")
        }
        told |= {
            str(path): path.read_bytes()
            for path in _files_below(tmp_path)
            if path.suffix not in (".secret", ".copy")
        }
        assert any(path.endswith("master.db") for path in told)
        assert any(path.endswith("web1.log") for path in told)
        found = {place for place, text in told.items() if any(each in text for each in wanted)}
        assert found == set()


@pytest.mark.covers("R-8.2")
def test_whatever_the_umask_nobody_else_may_read_what_a_fleet_keeps(tmp_path: Path) -> None:
    with Fleet(tmp_path) as fleet:
        wide = ("sh", "-c", 'umask 0; exec "$@"', "sh")
        fleet.master.root.chmod(0o711)  # as limpet makes it
        fleet.master.start(prefix=wide)
        wait_until("the Unix socket is there", (fleet.master.root / "run/master.sock").exists)
        node = fleet.add_minion("web1", starts=False)
        node.root.chmod(0o711)
        node.start(prefix=wide)
        fleet.wait_ready(1)
        assert fleet.run_json("*", "cmd.run", "head -c 100000 /dev/zero | tr '\\0' x")[0] == 0
        own = {"master.yaml", "minion.yaml"}  # the test's
        open_ones = {
            str(path): oct(path.stat().st_mode & 0o777)
            for root in (fleet.master.root, node.root)
            for path in _files_below(root)
            if path.stat().st_mode & 0o077
            and path.name not in own
            and not any(
                above.stat().st_mode & 0o077 == 0
                for above in path.parents
                if above.is_relative_to(root)
            )
        }
        assert open_ones == {str(node.root / "run" / "minion-status.json"): "0o640"}
        for root in (fleet.master.root, node.root):
            for path in (root, *(each for each in root.rglob("*") if each.is_dir())):
                assert path.stat().st_mode & 0o022 == 0, path
