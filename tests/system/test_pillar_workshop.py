"""The workshop and its renderings as processes: hostile pillar, limits, crashes, kills."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from limpet.master.pillar import link
from limpet.states.pillar.compile import Pillar
from support.fleet import descendants, wait_until
from support.workshop import Workshop

TOP = "base: {'*': [a]}\n"


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    with Workshop(tmp_path) as running:
        running.write({"top.sls": TOP})
        yield running


def told(pillar: Pillar) -> str:
    assert pillar.data == {}
    return "\n".join(pillar.told)


def test_a_pillar_is_rendered_from_the_minions_grains_and_its_id_is_that_of_its_key(
    workshop: Workshop,
) -> None:
    workshop.write(
        {
            "a.sls": "id: {{ opts.id }} {{ grains.id }} {{ salt['grains.get']('id') }}\n"
            "os: {{ grains.os }}\nhost: {{ salt['cmd.run']('echo here') }}\n"
            "role: {{ opts['__role'] }}\nv: {{ pillar.get('v', 'none') }}\n"
        }
    )
    pillar = workshop.render("web1", grains={"os": "Plan9", "id": "web2"}, override={"v": 1})
    assert pillar.data == {
        "id": "web1 web1 web1",
        "os": "Plan9",
        "host": "here",
        "role": "master",
        "v": 1,
    }


def test_two_minions_are_rendered_side_by_side_and_a_slow_one_delays_nobody(
    workshop: Workshop,
) -> None:
    workshop.write(
        {
            "top.sls": "base: {slow: [slow], 'web*': [a]}\n",
            "slow.sls": "v: {{ salt['cmd.run']('sleep 60') }}\n",
            "a.sls": "v: 1\n",
        }
    )
    workshop.render("web1")
    slow = workshop.ask("slow")
    begin = time.monotonic()
    quick = [workshop.ask(f"web{number}") for number in range(5)]
    assert [each.data for each in workshop.wait(*quick)] == [{"v": 1}] * 5
    assert slow not in workshop.answers
    assert time.monotonic() - begin < 9
    (pillar,) = workshop.wait(slow)
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
    workshop: Workshop, files: dict[str, str], said: str
) -> None:
    workshop.write({"ok.sls": "v: 1\n", **files})
    if "\xff" in files.get("a.sls", ""):
        (workshop.folder / "pillar/a.sls").write_bytes(b"a: \xff\n")
        said = "a.sls:1"
    begin = time.monotonic()
    pillar = workshop.render()
    assert pillar.errors
    assert said in told(pillar)
    assert time.monotonic() - begin < 30
    workshop.write({"top.sls": "base: {'*': [ok]}\n"})
    assert workshop.render().data == {"v": 1}
    assert workshop.link.starts == 1


def test_a_pillar_that_is_too_large_is_an_error(tmp_path: Path) -> None:
    with Workshop(tmp_path, body_bytes_max=100_000) as workshop:
        workshop.write({"top.sls": TOP, "a.sls": "#!py\ndef run(): return {'x': 'y' * 200000}\n"})
        assert "100000 are allowed" in told(workshop.render())


def test_nothing_of_a_rendering_outlives_it(workshop: Workshop, tmp_path: Path) -> None:
    mark = tmp_path / "went on"
    workshop.write(
        {
            "a.sls": "#!py\nimport subprocess\ndef run():\n"
            f"    subprocess.Popen(['sh', '-c', 'sleep 2; touch {mark}'], start_new_session=True)\n"
            "    return {'v': 1}\n"
        }
    )
    assert workshop.render().data == {"v": 1}
    wait_until("all are gone", lambda: not descendants(workshop.link.pid), 10)
    time.sleep(2.5)
    assert not mark.exists()


def test_a_workshop_that_is_killed_is_started_again_and_every_question_answered(
    workshop: Workshop,
) -> None:
    workshop.write({"a.sls": "v: {{ salt['cmd.run']('sleep 1; echo done') }}\n"})
    workshop.render()
    numbers = [workshop.ask(f"web{number}") for number in range(2)]
    workshop.turn(0.3)
    os.kill(workshop.link.pid, signal.SIGKILL)
    assert [each.data for each in workshop.wait(*numbers)] == [{"v": "done"}] * 2
    assert workshop.link.starts == 2


def test_a_pillar_that_kills_the_workshop_is_given_up_and_says_so(workshop: Workshop) -> None:
    kills = "#!py\nimport os\ndef run():\n    os.kill(os.getppid(), 9)\n    while True: pass\n"
    workshop.write({"a.sls": kills})
    assert "the pillar workshop ended" in told(workshop.render())
    workshop.write({"a.sls": "v: 1\n"})
    assert workshop.render().data == {"v": 1}


def test_a_pillar_that_kills_the_workshop_each_time_takes_no_other_with_it(
    workshop: Workshop,
) -> None:
    kills = "#!py\nimport os\ndef run():\n    os.kill(os.getppid(), 9)\n    while True: pass\n"
    workshop.write(
        {"top.sls": "base: {bad: [k], 'web*': [a]}\n", "k.sls": kills, "a.sls": "v: 1\n"}
    )
    workshop.render("web0")
    bad, *others = [workshop.ask(name) for name in ("bad", *(f"web{n}" for n in range(1, 30)))]
    assert [each.data for each in workshop.wait(*others)] == [{"v": 1}] * len(others)
    (pillar,) = workshop.wait(bad)
    assert "the pillar workshop ended" in told(pillar)
    assert workshop.link.starts == 3


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
    workshop: Workshop, text: str, said: str
) -> None:
    workshop.write({"a.sls": text})
    workshop.reconfigure({"render_timeout": 1.0})
    numbers = {f"web{n}": workshop.ask(f"web{n}") for n in range(20)}
    pillars = dict(zip(numbers, workshop.wait(*numbers.values()), strict=True))
    assert "a.sls" in told(pillars.pop("web7"))
    assert said in workshop.answers[numbers["web7"]].problems[0]
    assert {name for name, pillar in pillars.items() if pillar.data != {"v": 1}} == set()
    assert workshop.link.starts == 1


def test_what_code_does_to_its_process_reaches_no_other_minion(
    workshop: Workshop, tmp_path: Path
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
    workshop.write(
        {
            "top.sls": "base: {'bad*': [bad], 'look*': [look], 'web*': [a], 'esc*': [esc]}\n",
            "bad.sls": sloppy, "look.sls": looks, "a.sls": "v: {{ opts.nodegroups }}\n",
            "esc.sls": plain,
        }
    )  # fmt: skip
    kinds = ("look0", *(f"{kind}{n}" for n in range(1, 7) for kind in ("bad", "look", "web")))
    numbers = {name: workshop.ask(name) for name in kinds}
    found = dict(zip(numbers, workshop.wait(*numbers.values()), strict=True))
    assert {name for name, each in found.items() if each.errors} == set()
    looked = [found[name].data for name in kinds if name.startswith("look")]
    seen = [[str(each).replace(pillar["id"], "ID") for each in pillar["seen"]] for pillar in looked]
    assert seen == [seen[0]] * len(seen)
    pids = [each.data["pid"] for each in found.values() if "pid" in each.data]
    assert len(set(pids)) == len(pids) == 13
    assert {str(found[f"web{n}"].data) for n in range(1, 7)} == {"{'v': {}}"}
    assert workshop.render("esc1").errors


def test_code_that_answers_for_another_minion_is_not_believed(workshop: Workshop) -> None:
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
    workshop.write(
        {"top.sls": "base: {bad: [f], 'web*': [a]}\n", "f.sls": forges, "a.sls": "v: 1\n"}
    )
    workshop.render("web0")
    bad, *others = [workshop.ask(name) for name in ("bad", *(f"web{n}" for n in range(1, 20)))]
    assert bad == 2
    assert [each.data for each in workshop.wait(*others)] == [{"v": 1}] * len(others)
    assert "its process said what is no pillar" in told(workshop.wait(bad)[0])
    assert workshop.link.starts == 1


def test_a_workshop_that_stands_still_is_replaced(tmp_path: Path) -> None:
    with Workshop(tmp_path, wall_s=1.0) as workshop:
        workshop.write({"top.sls": TOP, "a.sls": "v: 1\n"})
        workshop.render()
        os.kill(workshop.link.pid, signal.SIGSTOP)
        assert workshop.render().data == {"v": 1}
        assert workshop.link.starts == 2


def test_a_workshop_is_not_replaced_while_a_slow_pillar_begins_again_in_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "GRACE_S", -1.5)  # it would be replaced after 2.5 s
    now = "('' | strftime('%s.%f') | float)"
    slow = (
        f"{{% set began, n = {now}, namespace(took=0) %}}{{% for _ in range(99999) %}}"
        f"{{% if n.took < 1.5 %}}{{% for _ in range(999) %}}{{% endfor %}}"
        f"{{% set n.took = {now} - began %}}{{% endif %}}{{% endfor %}}"
        "v: {{ salt['cmd.run']('echo here') }}\n"
    )
    with Workshop(tmp_path, wall_s=4.0) as workshop:
        workshop.write({"top.sls": "base: {slow: [s], 'web*': [a]}\n", "s.sls": slow})
        workshop.write({"a.sls": "v: 1\n"})
        numbers = [workshop.ask(name) for name in ("web1", "web2", "slow")]
        assert [each.data for each in workshop.wait(*numbers)] == [{"v": 1}] * 2 + [{"v": "here"}]
        assert workshop.link.starts == 1


def test_who_waits_for_a_workshop_that_dies_and_dies_again_at_its_start_is_answered(
    tmp_path: Path,
) -> None:
    with Workshop(tmp_path) as workshop:
        workshop.write({"top.sls": "base: {'*': [a]}\n"})
        workshop.write({"a.sls": "v: {{ salt['cmd.run']('sleep 0.1; echo here') }}\n"})
        workshop.render()
        numbers = [workshop.ask(f"web{number}") for number in range(8)]
        workshop.turn(0.05)
        first = workshop.link.pid
        os.kill(first, signal.SIGKILL)
        while workshop.link.pid in (0, first):
            workshop.turn(0.01)
        os.kill(workshop.link.pid, signal.SIGKILL)  # before it has begun with anything
        assert [each.data for each in workshop.wait(*numbers)] == [{"v": "here"}] * 8
        assert workshop.link.starts == 3


def test_a_workshop_without_work_ends_and_is_started_for_the_next_question(tmp_path: Path) -> None:
    with Workshop(tmp_path, idle_s=0.2) as workshop:
        workshop.write({"top.sls": TOP, "a.sls": "v: 1\n"})
        workshop.render()

        def is_gone() -> bool:
            workshop.turn(0.02)
            return workshop.link.pid == 0

        wait_until("the workshop has ended", is_gone, 20)
        assert workshop.link.problem == ""
        assert workshop.render().data == {"v": 1}
        assert workshop.link.starts == 2


def test_a_new_configuration_is_heeded_by_the_next_rendering(tmp_path: Path) -> None:
    with Workshop(tmp_path) as workshop:
        workshop.write(
            {"top.sls": TOP, "a.sls": "password: hunter22\nx: {{ opts.color | default('') }}\n"}
        )
        assert workshop.render().secret_keys.patterns == ()
        workshop.reconfigure({"pillar_secret_keys": ["password"], "custom": {"color": "red"}})
        pillar = workshop.render()
        assert pillar.secret_keys.patterns == ("password",)
        assert pillar.data["x"] == "red"


def test_what_is_logged_of_a_pillar_has_its_place_and_no_secret(tmp_path: Path) -> None:
    with Workshop(tmp_path, configuration={"pillar_secret_keys": ["password"]}) as workshop:
        workshop.write(
            {
                "top.sls": "base: {'*': [a, b, c]}\n",
                "a.sls": "password: hunter22\n",
                "b.sls": "x: {{ 'hunter22' + nothing }}\n",
                "c.sls": "#!py\ndef run():\n    raise ValueError('it was hunter22')\n",
            }
        )
        workshop.render()
        lines = workshop.answers[1].problems
        assert len(lines) == 2
        assert not any("hunter22" in line for line in lines)
        assert "b.sls:1" in lines[0]
        assert "c.sls:3" in lines[1]
