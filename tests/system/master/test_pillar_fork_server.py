"""The fork server and its renderings as processes: hostile pillar, limits, crashes, kills."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from limpet.master.pillar.io import supervisor
from limpet.states.pillar.compile import Pillar
from support.master.fleet import descendants, wait_until
from support.master.pillar_fork_server import PillarForkServer

TOP = "base: {'*': [a]}\n"


@pytest.fixture
def fork_server(tmp_path: Path) -> Iterator[PillarForkServer]:
    with PillarForkServer(tmp_path) as running:
        running.write({"top.sls": TOP})
        yield running


def told(pillar: Pillar) -> str:
    assert pillar.data == {}
    return "\n".join(pillar.told)


def test_a_pillar_is_rendered_from_the_minions_grains_and_its_id_is_that_of_its_key(
    fork_server: PillarForkServer,
) -> None:
    fork_server.write(
        {
            "a.sls": "id: {{ opts.id }} {{ grains.id }} {{ salt['grains.get']('id') }}\n"
            "os: {{ grains.os }}\nhost: {{ salt['cmd.run']('echo here') }}\n"
            "role: {{ opts['__role'] }}\nv: {{ pillar.get('v', 'none') }}\n"
        }
    )
    pillar = fork_server.render("web1", grains={"os": "Plan9", "id": "web2"}, override={"v": 1})
    assert pillar.data == {
        "id": "web1 web1 web1",
        "os": "Plan9",
        "host": "here",
        "role": "master",
        "v": 1,
    }


def test_two_minions_are_rendered_side_by_side_and_a_slow_one_delays_nobody(
    fork_server: PillarForkServer,
) -> None:
    fork_server.write(
        {
            "top.sls": "base: {slow: [slow], 'web*': [a]}\n",
            "slow.sls": "v: {{ salt['cmd.run']('sleep 60') }}\n",
            "a.sls": "v: 1\n",
        }
    )
    fork_server.render("web1")
    slow = fork_server.ask("slow")
    begin = time.monotonic()
    quick = [fork_server.ask(f"web{number}") for number in range(5)]
    assert [each.data for each in fork_server.wait(*quick)] == [{"v": 1}] * 5
    assert slow not in fork_server.answers
    assert time.monotonic() - begin < 9
    (pillar,) = fork_server.wait(slow)
    assert "slow.sls" in told(pillar)
    assert time.monotonic() - begin < 30


@pytest.mark.covers("B-57")
@pytest.mark.parametrize(
    ("files", "said"),
    [
        pytest.param(
            {
                "a.sls": "a: 1\n{% for i in range(99999) %}{% for j in range(99999) %}"
                "{% endfor %}{% endfor %}\n"
            },
            "a.sls:2",
            id="endless loop",
        ),
        pytest.param(
            {"a.sls": "#!py\ndef run():\n    while True: pass\n"}, "a.sls:3", id="endless py"
        ),
        pytest.param(
            {
                "a.sls": "#!py\nimport signal\ndef run():\n"
                "    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n"
                "    while True: pass\n"
            },
            "while",
            id="deaf",
        ),
        pytest.param(
            {"a.sls": "#!py\ndef run():\n    x = []\n    while True: x.append('a' * 10**7)\n"},
            "a.sls",
            id="memory",
        ),
        pytest.param(
            {"a.sls": "#!py\nimport os\ndef run():\n    os._exit(3)\n"}, "a.sls", id="exit"
        ),
        pytest.param(
            {"a.sls": "#!py\nimport os\ndef run():\n    os.kill(os.getpid(), 11)\n"},
            "SIGSEGV",
            id="crash",
        ),
        pytest.param(
            {
                "a.sls": "a: &a [x, x, x, x, x, x, x, x, x]\n"
                + "".join(
                    f"{n}: &{n} [*{m}, *{m}, *{m}, *{m}, *{m}, *{m}, *{m}, *{m}, *{m}]\n"
                    for m, n in zip("abcdefgh", "bcdefghi", strict=True)
                )
            },
            "a.sls",
            id="yaml bomb",
        ),
        pytest.param({"a.sls": "[" * 30_000}, "a.sls", id="nesting"),
        pytest.param({"a.sls": "{% include 'a.sls' %}\n"}, "a.sls", id="includes itself"),
        pytest.param({"a.sls": "a: \xff\n"}, "", id="not utf-8"),
        pytest.param({"top.sls": "base: [\n"}, "top", id="broken top"),
    ],
)
def test_hostile_pillar_is_an_error_with_its_place_within_the_limit(
    fork_server: PillarForkServer, files: dict[str, str], said: str
) -> None:
    fork_server.write({"ok.sls": "v: 1\n", **files})
    if "\xff" in files.get("a.sls", ""):
        (fork_server.folder / "pillar/a.sls").write_bytes(b"a: \xff\n")
        said = "a.sls:1"
    begin = time.monotonic()
    pillar = fork_server.render()
    assert pillar.errors
    assert said in told(pillar)
    assert time.monotonic() - begin < 30
    fork_server.write({"top.sls": "base: {'*': [ok]}\n"})
    assert fork_server.render().data == {"v": 1}
    assert fork_server.link.starts == 1


def test_a_pillar_that_is_too_large_is_an_error(tmp_path: Path) -> None:
    with PillarForkServer(tmp_path, body_bytes_max=100_000) as fork_server:
        fork_server.write(
            {"top.sls": TOP, "a.sls": "#!py\ndef run(): return {'x': 'y' * 200000}\n"}
        )
        assert "100000 are allowed" in told(fork_server.render())


def test_nothing_of_a_rendering_outlives_it(fork_server: PillarForkServer, tmp_path: Path) -> None:
    mark = tmp_path / "went on"
    fork_server.write(
        {
            "a.sls": "#!py\nimport subprocess\ndef run():\n"
            f"    subprocess.Popen(['sh', '-c', 'sleep 2; touch {mark}'], start_new_session=True)\n"
            "    return {'v': 1}\n"
        }
    )
    assert fork_server.render().data == {"v": 1}
    wait_until("all are gone", lambda: not descendants(fork_server.link.pid), 10)
    time.sleep(2.5)
    assert not mark.exists()


def test_a_fork_server_that_is_killed_is_started_again_and_every_question_answered(
    fork_server: PillarForkServer,
) -> None:
    fork_server.write({"a.sls": "v: {{ salt['cmd.run']('sleep 1; echo done') }}\n"})
    fork_server.render()
    numbers = [fork_server.ask(f"web{number}") for number in range(2)]
    fork_server.turn(0.3)
    os.kill(fork_server.link.pid, signal.SIGKILL)
    assert [each.data for each in fork_server.wait(*numbers)] == [{"v": "done"}] * 2
    assert fork_server.link.starts == 2


def test_a_pillar_that_kills_the_fork_server_is_given_up_and_says_so(
    fork_server: PillarForkServer,
) -> None:
    kills = "#!py\nimport os\ndef run():\n    os.kill(os.getppid(), 9)\n    while True: pass\n"
    fork_server.write({"a.sls": kills})
    assert "the pillar fork server ended" in told(fork_server.render())
    fork_server.write({"a.sls": "v: 1\n"})
    assert fork_server.render().data == {"v": 1}


def test_a_pillar_that_kills_the_fork_server_each_time_takes_no_other_with_it(
    fork_server: PillarForkServer,
) -> None:
    kills = "#!py\nimport os\ndef run():\n    os.kill(os.getppid(), 9)\n    while True: pass\n"
    fork_server.write(
        {"top.sls": "base: {bad: [k], 'web*': [a]}\n", "k.sls": kills, "a.sls": "v: 1\n"}
    )
    fork_server.render("web0")
    bad, *others = [fork_server.ask(name) for name in ("bad", *(f"web{n}" for n in range(1, 30)))]
    assert [each.data for each in fork_server.wait(*others)] == [{"v": 1}] * len(others)
    (pillar,) = fork_server.wait(bad)
    assert "the pillar fork server ended" in told(pillar)
    assert fork_server.link.starts == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "{% if grains.id == 'web7' %}{% for i in range(99999) %}{% for j in range(99999) %}"
            "{% endfor %}{% endfor %}{% endif %}v: 1\n",
            "did not end within",
        ),
        ("{% if grains.id == 'web7' %}{{ salt['cmd.run']('kill -9 $PPID') }}{% endif %}v: 1\n",
         "SIGKILL"),
        ("v: {% if grains.id == 'web7' %}{{ 'x' * 999999999 }}{% else %}1{% endif %}\n",
         "MiB of memory"),
    ],
    ids=["endless", "killed", "memory"],
)  # fmt: skip
def test_a_process_that_ends_or_overruns_costs_the_minion_that_it_was_at(
    fork_server: PillarForkServer, text: str, said: str
) -> None:
    fork_server.write({"a.sls": text})
    fork_server.reconfigure({"render_timeout": 1.0})
    numbers = {f"web{n}": fork_server.ask(f"web{n}") for n in range(20)}
    pillars = dict(zip(numbers, fork_server.wait(*numbers.values()), strict=True))
    assert "a.sls" in told(pillars.pop("web7"))
    assert said in fork_server.answers[numbers["web7"]].problems[0]
    assert {name for name, pillar in pillars.items() if pillar.data != {"v": 1}} == set()
    assert fork_server.link.starts == 1


def test_what_code_does_to_its_process_reaches_no_other_minion(
    fork_server: PillarForkServer, tmp_path: Path
) -> None:
    sloppy = (
        "#!py\nimport builtins, json, locale, os, random, sys, threading, time\ndef run():\n"
        "    os.environ['SEEN'] = '1'; os.chdir('/'); os.umask(0); sys.path.append('/seen')\n"
        "    json.loads = builtins.open = None; random.seed(1); builtins.seen = 1\n"
        "    import jinja2.sandbox, yaml; yaml.parse = None; sys.setrecursionlimit(100)\n"
        "    jinja2.sandbox.SandboxedEnvironment.is_safe_attribute = lambda *_: True\n"
        "    threading.Thread(target=time.sleep, args=(99,), daemon=True).start()\n"
        "    __opts__['nodegroups'] = __grains__['roles'] = 'seen'\n"
        "    return {'pid': os.getpid()}\n"
    )
    looks = (
        "#!py\nimport builtins, json, os, random, sys, threading\ndef run():\n"
        "    json.loads('1'); open('/dev/null').close()\n"
        "    return {'pid': os.getpid(), 'id': __grains__['id'], 'seen': [\n"
        "        os.environ.get('SEEN'), os.getcwd(), '/seen' in sys.path,\n"
        "        hasattr(builtins, 'seen'), threading.active_count(),\n"
        "        sys.getrecursionlimit(), str(__opts__.get('nodegroups')), str(__grains__)]}\n"
    )
    plain = "class: {{ ''.__class__ }}\n"
    fork_server.write(
        {
            "top.sls": "base: {'bad*': [bad], 'look*': [look], 'web*': [a], 'esc*': [esc]}\n",
            "bad.sls": sloppy, "look.sls": looks, "a.sls": "v: {{ opts.nodegroups }}\n",
            "esc.sls": plain,
        }
    )  # fmt: skip
    kinds = ("look0", *(f"{kind}{n}" for n in range(1, 7) for kind in ("bad", "look", "web")))
    numbers = {name: fork_server.ask(name) for name in kinds}
    found = dict(zip(numbers, fork_server.wait(*numbers.values()), strict=True))
    assert {name for name, each in found.items() if each.errors} == set()
    looked = [found[name].data for name in kinds if name.startswith("look")]
    seen = [[str(each).replace(pillar["id"], "ID") for each in pillar["seen"]] for pillar in looked]
    assert seen == [seen[0]] * len(seen)
    pids = [each.data["pid"] for each in found.values() if "pid" in each.data]
    assert len(set(pids)) == len(pids) == 13
    assert {str(found[f"web{n}"].data) for n in range(1, 7)} == {"{'v': {}}"}
    assert fork_server.render("esc1").errors


def test_code_that_answers_for_another_minion_is_not_believed(
    fork_server: PillarForkServer,
) -> None:
    forges = (
        "#!py\nimport msgspec, os, stat, struct\ndef run():\n"
        "    for number in range(1, 99):\n"
        "        said = msgspec.msgpack.encode(['rendered', number, b'x', '', True, False, []])\n"
        "        for fd in range(3, 99):\n"
        "            try:\n"
        "                if number != 2 and stat.S_ISSOCK(os.fstat(fd).st_mode):\n"
        "                    os.write(fd, struct.pack('>I', len(said)) + said)\n"
        "            except OSError: pass\n"
        "    return {'v': 2}\n"
    )
    fork_server.write(
        {"top.sls": "base: {bad: [f], 'web*': [a]}\n", "f.sls": forges, "a.sls": "v: 1\n"}
    )
    fork_server.render("web0")
    bad, *others = [fork_server.ask(name) for name in ("bad", *(f"web{n}" for n in range(1, 20)))]
    assert bad == 2
    assert [each.data for each in fork_server.wait(*others)] == [{"v": 1}] * len(others)
    assert "its process said what is no pillar" in told(fork_server.wait(bad)[0])
    assert fork_server.link.starts == 1


def test_a_fork_server_that_stands_still_is_replaced(tmp_path: Path) -> None:
    with PillarForkServer(tmp_path, wall_s=1.0) as fork_server:
        fork_server.write({"top.sls": TOP, "a.sls": "v: 1\n"})
        fork_server.render()
        os.kill(fork_server.link.pid, signal.SIGSTOP)
        assert fork_server.render().data == {"v": 1}
        assert fork_server.link.starts == 2


def test_a_fork_server_is_not_replaced_while_a_slow_pillar_begins_again_in_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "GRACE_S", -1.5)  # it would be replaced after 2.5 s
    now = "('' | strftime('%s.%f') | float)"
    slow = (
        f"{{% set began, n = {now}, namespace(took=0) %}}{{% for _ in range(99999) %}}"
        f"{{% if n.took < 1.5 %}}{{% for _ in range(999) %}}{{% endfor %}}"
        f"{{% set n.took = {now} - began %}}{{% endif %}}{{% endfor %}}"
        "v: {{ salt['cmd.run']('echo here') }}\n"
    )
    with PillarForkServer(tmp_path, wall_s=4.0) as fork_server:
        fork_server.write({"top.sls": "base: {slow: [s], 'web*': [a]}\n", "s.sls": slow})
        fork_server.write({"a.sls": "v: 1\n"})
        numbers = [fork_server.ask(name) for name in ("web1", "web2", "slow")]
        assert [each.data for each in fork_server.wait(*numbers)] == [{"v": 1}] * 2 + [
            {"v": "here"}
        ]
        assert fork_server.link.starts == 1


def test_who_waits_for_a_fork_server_that_dies_and_dies_again_at_its_start_is_answered(
    tmp_path: Path,
) -> None:
    with PillarForkServer(tmp_path) as fork_server:
        fork_server.write({"top.sls": "base: {'*': [a]}\n"})
        fork_server.write({"a.sls": "v: {{ salt['cmd.run']('sleep 0.1; echo here') }}\n"})
        fork_server.render()
        numbers = [fork_server.ask(f"web{number}") for number in range(8)]
        fork_server.turn(0.05)
        first = fork_server.link.pid
        os.kill(first, signal.SIGKILL)
        while fork_server.link.pid in (0, first):
            fork_server.turn(0.01)
        os.kill(fork_server.link.pid, signal.SIGKILL)  # before it has begun with anything
        assert [each.data for each in fork_server.wait(*numbers)] == [{"v": "here"}] * 8
        assert fork_server.link.starts == 3


def test_a_fork_server_without_work_ends_and_is_started_for_the_next_question(
    tmp_path: Path,
) -> None:
    with PillarForkServer(tmp_path, idle_s=0.2) as fork_server:
        fork_server.write({"top.sls": TOP, "a.sls": "v: 1\n"})
        fork_server.render()

        def is_gone() -> bool:
            fork_server.turn(0.02)
            return fork_server.link.pid == 0

        wait_until("the fork server has ended", is_gone, 20)
        assert fork_server.link.problem == ""
        assert fork_server.render().data == {"v": 1}
        assert fork_server.link.starts == 2


def test_a_new_configuration_is_heeded_by_the_next_rendering(tmp_path: Path) -> None:
    with PillarForkServer(tmp_path) as fork_server:
        fork_server.write(
            {"top.sls": TOP, "a.sls": "password: hunter22\nx: {{ opts.color | default('') }}\n"}
        )
        assert fork_server.render().secret_keys.patterns == ()
        fork_server.reconfigure({"pillar_secret_keys": ["password"], "custom": {"color": "red"}})
        pillar = fork_server.render()
        assert pillar.secret_keys.patterns == ("password",)
        assert pillar.data["x"] == "red"


def test_what_is_logged_of_a_pillar_has_its_place_and_no_secret(tmp_path: Path) -> None:
    with PillarForkServer(
        tmp_path, configuration={"pillar_secret_keys": ["password"]}
    ) as fork_server:
        fork_server.write(
            {
                "top.sls": "base: {'*': [a, b, c]}\n",
                "a.sls": "password: hunter22\n",
                "b.sls": "x: {{ 'hunter22' + nothing }}\n",
                "c.sls": "#!py\ndef run():\n    raise ValueError('it was hunter22')\n",
            }
        )
        fork_server.render()
        lines = fork_server.answers[1].problems
        assert len(lines) == 2
        assert not any("hunter22" in line for line in lines)
        assert "b.sls:1" in lines[0]
        assert "c.sls:3" in lines[1]
