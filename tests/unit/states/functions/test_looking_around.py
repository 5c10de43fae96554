"""`config`, `sys`, `saltutil`, `status`, `disk`, `ps` and `test` on a made-up machine."""

from typing import Any

import pytest

from limpet import __version__
from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext, Loose, RunningJob
from limpet.states.functions import registry
from limpet.states.ports.machine import Process
from support.fakes.host import FakeHost, FakeJobs, make_context

CONFIGURATION = {
    "id": "web1",
    "join": "limpet-join:secret",
    "grains": {},
    "log_level": "info",
    "custom": {"backup": {"dir": "/srv"}, "redis.host": "db1", "log_level": "mine"},
}


def call(context: FunctionContext, name: str, *values: Any, **named: Any) -> Loose:  # noqa: ANN401
    return registry.call(name, values, named, context)


def configured() -> FunctionContext:
    return make_context(
        configuration=CONFIGURATION,
        grains={"os": "Debian", "backup": {"dir": "/grain"}},
        pillar={"role": "web", "backup": {"keep": 3}, "master": {"only": 1}},
    )


def test_config_get_looks_in_configuration_grains_and_pillar_in_this_order() -> None:
    context = configured()
    assert call(context, "config.get", "backup:dir") == "/srv"
    assert call(context, "config.get", "backup:dir", omit_opts=True) == "/grain"
    assert call(context, "config.get", "os") == "Debian"
    assert call(context, "config.get", "role") == "web"
    assert call(context, "config.get", "only") == 1
    assert call(context, "config.get", "hosts.file") == "/etc/hosts"
    assert call(context, "config.get", "nothing", default=7) == 7
    assert call(context, "config.get", "log_level") == "mine"


def test_config_get_merges_when_told() -> None:
    context = configured()
    assert call(context, "config.get", "backup", merge="recurse") == {"dir": "/srv", "keep": 3}
    assert call(context, "config.get", "backup", merge="overwrite") == {"dir": "/srv"}
    assert call(context, "config.get", "backup", merge="sideways") == {"dir": "/srv", "keep": 3}


def test_config_get_knows_what_salt_configures_by_itself() -> None:
    context = configured()
    assert call(context, "config.get", "state_top") == "salt://top.sls"
    assert call(context, "config.get", "test") is False
    assert call(context, "config.get", "cachedir") == "/nowhere/state"


def test_config_option_and_its_kin() -> None:
    context = configured()
    assert call(context, "config.option", "role") == "web"
    assert call(context, "config.option", "role", omit_all=True, default=0) == 0
    assert call(context, "config.option", "redis.*", wildcard=True) == {"redis.host": "db1"}
    assert call(context, "config.dot_vals", "redis") == {"redis.host": "db1"}
    assert call(context, "config.merge", "backup") == {"dir": "/srv", "keep": 3}
    assert call(context, "config.valid_fileproto", "salt://x") is True
    assert call(context, "config.valid_fileproto", "x") is False


def test_secrets_are_not_shown() -> None:
    assert "join" not in call(configured(), "config.items")
    assert "join" not in call(configured(), "test.get_opts")


@pytest.mark.parametrize(
    ("mode", "shown"), [("755", "0755"), (644, "0644"), ("0o0600", "0600"), ("4755", "4755")]
)
def test_a_mode_has_four_digits(mode: Any, shown: str) -> None:  # noqa: ANN401
    assert call(make_context(), "config.manage_mode", mode) == shown


def test_sys_tells_what_there_is() -> None:
    context = make_context()
    assert call(context, "sys.list_modules") == sorted(registry.MODULES)
    assert {"cmd", "config", "cp"} <= set(call(context, "sys.list_modules", "c*"))
    assert "test.ping" in call(context, "sys.list_functions", "test")
    assert call(context, "sys.list_functions", "test.p*") == [
        "test.ping",
        "test.provider",
        "test.providers",
    ]
    assert call(context, "sys.argspec", "test.rand_sleep") == {
        "test.rand_sleep": {"args": ["max"], "defaults": [60], "varargs": None, "kwargs": None}
    }
    assert call(context, "sys.argspec", "test.arg")["test.arg"]["varargs"] is True
    assert "limpet run '*' test.ping" in call(context, "sys.doc", "test.ping")["test.ping"]


def test_sys_says_when_nothing_fits() -> None:
    with pytest.raises(UsageError, match=r"did you mean 'test\.ping'"):
        call(make_context(), "sys.doc", "test.pin")


def test_running_jobs_are_shown_without_the_asking_one() -> None:
    jobs = FakeJobs(
        [RunningJob("J1", "cmd.run", 7, "alice", ("ls",)), RunningJob("ME", "x.y", 8, "")]
    )
    context = make_context(jobs=jobs, jid="ME")
    shown = call(context, "saltutil.running")
    assert [(each["jid"], each["fun"], each["arg"], each["pid"]) for each in shown] == [
        ("J1", "cmd.run", ["ls"], 7)
    ]
    assert call(context, "saltutil.find_job", "j1")["user"] == "alice"
    assert call(context, "saltutil.find_job", "J2") == {}
    assert len(call(context, "saltutil.is_running", "cmd.*")) == 1


def test_jobs_are_ended_but_not_the_own() -> None:
    jobs = FakeJobs([RunningJob("J1", "cmd.run", 7, "")])
    context = make_context(jobs=jobs, jid="ME")
    assert call(context, "saltutil.kill_job", "J1") == "Job J1 is killed"
    assert call(context, "saltutil.kill_job", "J9") == "Job J9 is not running here"
    assert call(context, "saltutil.kill_all_jobs") == ["Job J1 is killed"]
    with pytest.raises(UsageError, match="can't end itself"):
        call(context, "saltutil.kill_job", "ME")


def test_a_local_call_has_no_jobs_to_end() -> None:
    with pytest.raises(HostError, match="leave --local out"):
        call(make_context(), "saltutil.kill_job", "J1")


def test_refreshing_grains_asks_the_link_and_syncing_brings_nothing() -> None:
    jobs = FakeJobs()
    context = make_context(jobs=jobs)
    assert call(context, "saltutil.refresh_grains") is True
    assert call(context, "saltutil.sync_all")["modules"] == []
    assert call(context, "saltutil.sync_modules") == []
    assert jobs.refreshed == 2


def test_status_reads_the_kernels_tables() -> None:
    host = FakeHost()
    host.files.texts.update(
        {
            "/proc/stat": "cpu  1 2 3 4 5 6 7 8 0 0\ncpu0 9 2 3\nintr 5 0 1\nctxt 77\nbtime 1\n",
            "/proc/meminfo": "MemTotal:  2048 kB\nHugePages_Total:  0\n",
            "/proc/vmstat": "nr_free_pages 12\n",
            "/proc/net/dev": "h\nh\n  lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
            "/proc/net/netstat": "TcpExt: A B\nTcpExt: 1 2\n",
            "/proc/diskstats": "254 0 vda 1 2 3 4 5 6 7 8 9 10 11 0 0\n",
            "/proc/cpuinfo": "model name\t: X\nflags\t\t: a b\n",
            "/proc/version": "Linux version 6\n",
            "/proc/mounts": "/dev/vda / ext4 rw 0 0\nsrv:/x /mnt/a\\040b nfs rw 0 0\n",
        }
    )
    host.files.directories.add("/mnt/a b")
    host.disks.sizes["/"] = {"total": 100, "used": 40, "free": 60, "inodes": 0, "inodes_free": 0}
    context = make_context(host)
    stat = call(context, "status.cpustats")
    assert (stat["cpu"]["steal"], stat["cpu0"], stat["intr"]) == (
        8,
        9,
        {"total": 5, "irqs": [0, 1]},
    )
    assert call(context, "status.meminfo") == {
        "MemTotal": {"value": "2048", "unit": "kB"},
        "HugePages_Total": {"value": "0"},
    }
    assert call(context, "status.netdev")["lo"]["tx_bytes"] == 9
    assert call(context, "status.netstats") == {"TcpExt": {"A": 1, "B": 2}}
    assert call(context, "status.diskstats")["vda"]["writes_completed"] == 5
    assert call(context, "status.cpuinfo") == {"model name": "X", "flags": ["a", "b"]}
    assert call(context, "status.diskusage") == {
        "/": {"available": 60, "total": 100},
        "/mnt/a b": {"available": None, "total": None},
    }
    assert list(call(context, "status.diskusage", "ext?")) == ["/"]
    assert call(context, "status.loadavg") == {"1-min": 0.5, "5-min": 0.25, "15-min": 0.125}
    uptime = call(context, "status.uptime")
    assert (uptime["seconds"], uptime["days"], uptime["time"]) == (90061, 1, "1:01")
    assert set(call(context, "status.all_status")) >= {"cpuinfo", "vmstats", "w"}


def test_status_custom_gives_what_the_configuration_chooses() -> None:
    host = FakeHost()
    host.files.texts["/proc/stat"] = "ctxt 77\n"
    chosen = {"status.cpustats.custom": ["ctxt", "none"]}
    context = make_context(host, configuration={"custom": chosen}, grains={})
    assert call(context, "status.custom") == {"ctxt": 77, "none": "UNKNOWN"}


def test_status_says_what_cannot_be_read() -> None:
    with pytest.raises(HostError, match="cannot read /proc/vmstat"):
        call(make_context(), "status.vmstats")


def test_disk_usage_has_the_columns_of_df() -> None:
    host = FakeHost()
    host.disks.mounted = [
        {"device": "/dev/vda", "mountpoint": "/", "fstype": "ext4", "opts": ""},
        {"device": "/dev/vda", "mountpoint": "/var/again", "fstype": "ext4", "opts": ""},
        {"device": "proc", "mountpoint": "/proc", "fstype": "proc", "opts": ""},
        {"device": "srv:/x", "mountpoint": "/dead", "fstype": "nfs", "opts": ""},
    ]
    size = {"total": 4096000, "used": 1024000, "free": 2048000, "inodes": 10, "inodes_free": 9}
    host.disks.sizes = {
        "/": size,
        "/var/again": size,
        "/proc": {"total": 0, "used": 0, "free": 0, "inodes": 0, "inodes_free": 0},
    }
    context = make_context(host)
    assert call(context, "disk.usage") == {
        "/": {
            "filesystem": "/dev/vda",
            "1K-blocks": "4000",
            "used": "1000",
            "available": "2000",
            "capacity": "34%",
        }
    }
    assert call(context, "disk.inodeusage")["/"]["use"] == "10%"
    assert call(context, "disk.percent", "/") == "34%"
    assert "/proc" in call(context, "disk.usage", "a")
    assert call(context, "disk.get_fstype_from_path", "/proc/1") == "proc"
    with pytest.raises(UsageError, match="Invalid flag"):
        call(context, "disk.usage", "; rm")


def test_iostat_gives_rates_over_the_interval() -> None:
    host = FakeHost()
    zero = {"read_count": 0, "write_count": 0, "read_bytes": 0, "write_bytes": 0}
    then = {"read_count": 20, "write_count": 10, "read_bytes": 20480, "write_bytes": 0}
    host.disks.counted["sda"] = [zero, then]
    found = call(make_context(host), "disk.iostat", interval=2, count=5, disks="sda")
    assert found["sda"]["r/s"] == 2.0
    assert found["sda"]["rkB/s"] == 2.0
    assert host.system.slept == [10.0]


def test_processes_are_found_and_signalled() -> None:
    host = FakeHost()
    host.processes.table = [
        Process(10, 1, "nginx", ("nginx:", "master"), "root", "sleeping", 0.0),
        Process(11, 10, "nginx", ("nginx:", "worker"), "www", "zombie", 0.0),
        Process(4242, 1, "nginx-self", (), "root", "running", 0.0),
    ]
    context = make_context(host)
    assert call(context, "ps.pgrep", "nginx") == [10, 11, 4242]
    assert call(context, "ps.pgrep", "work", full=True) == [11]
    assert call(context, "ps.pgrep", "^ng.*x$", pattern_is_regex=True, user="www") == [11]
    assert call(context, "ps.pgrep", "apache") is None
    assert call(context, "ps.pkill", "nginx", signal=9) == {"killed": [10, 11]}
    assert host.processes.signals == [(10, 9), (11, 9)]
    assert call(context, "ps.status", "zombie") == [{"pid": 11, "name": "nginx"}]
    assert call(context, "status.pid", "master") == "10"
    assert call(context, "status.procs")["4242"] == {"user": "root", "cmd": "[nginx-self]"}
    assert call(context, "ps.kill_pid", 99) is False
    with pytest.raises(UsageError, match="fits every process"):
        call(context, "ps.pkill", "")
    with pytest.raises(UsageError, match="not a regular expression"):
        call(context, "ps.pgrep", "(", pattern_is_regex=True)


def test_test_functions_behave_as_salts() -> None:
    host = FakeHost()
    context = make_context(host, grains={"os": "Debian"})
    assert call(context, "test.version") == __version__
    assert call(context, "test.fib", 10)[0] == 55
    assert call(context, "test.collatz", 6)[0] == [6, 3, 10, 5, 16, 8, 4, 2]
    assert call(context, "test.arg_type", 1, "a")["args"] == ["<class 'int'>", "<class 'str'>"]
    assert call(context, "test.cross_test", "grains.get", "[os]") == ""
    assert call(context, "test.cross_test", "grains.get", ["os"]) == "Debian"
    assert call(context, "test.try", "test.exception") is None
    assert call(context, "test.try", "test.exception", return_try_exception=True) == (
        "Test Exception"
    )
    assert call(context, "test.try", "test.echo", text=5) == 5
    assert call(context, "test.raise_exception", "NoSuchError") is False
    with pytest.raises(TypeError, match="a number"):
        call(context, "test.raise_exception", "TypeError", "a number")
    with pytest.raises(AssertionError):
        call(context, "test.assertion", False)
    assert len(call(context, "test.random_hash", hash_type="sha512")) == 128
    assert call(context, "test.rand_sleep", 10) is True
    assert host.system.slept == [5]
    assert call(context, "test.retcode") is True
    assert context.retcode == 42
    assert call(context, "test.not_loaded") == []
    assert "msgspec" in call(context, "test.versions")


@pytest.mark.parametrize(
    ("name", "value"), [("test.sleep", -1), ("test.fib", -1), ("test.collatz", 0)]
)
def test_numbers_out_of_range_are_named(name: str, value: int) -> None:
    with pytest.raises(UsageError, match="must"):
        call(make_context(), name, value)
