"""The pillar of a job: loaded when it is wanted, once, whole; its secrets hidden from then on."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext
from limpet.states.functions import registry
from limpet.states.pillar import job
from limpet.states.pillar.body import decode_pillar, encode_pillar
from limpet.states.pillar.compile import Pillar
from limpet.states.pillar.secrets import MASK, SecretKeys
from limpet.states.ports.served import Question, Served, SourceChanged
from support.fakes.host import make_context


@dataclass
class Master:
    """Gives pillar as a master does; `inline`: with the answer, else in pieces."""

    pillar: Pillar
    inline: bool = True
    changes: int = 0
    """So many times the body is another one when it is pulled."""
    asked: list[Mapping[str, Any]] = field(default_factory=list)

    def ask(self, question: Question, *, known: str = "") -> Served:
        assert question.kind == "pillar"
        self.asked.append(question.arguments)
        body = encode_pillar(self.pillar)
        digest = hashlib.sha256(body).hexdigest()
        return Served(True, digest, len(body), {}, body if self.inline else None)

    def pull(self, question: Question, served: Served, offset: int) -> bytes:
        if self.changes:
            self.changes -= 1
            raise SourceChanged("the pillar is another one now")
        return encode_pillar(self.pillar)[offset : offset + 7]


def prepared(master: Master, **configuration: Any) -> FunctionContext:  # noqa: ANN401
    context = make_context(grains={"os": "Debian"}, configuration=configuration)
    context.sources = master
    job.prepare(context)
    return context


def call(context: FunctionContext, name: str, *positional: Any, **keyword: Any) -> Any:  # noqa: ANN401
    return registry.call(name, list(positional), keyword, context)


def test_a_function_that_needs_no_pillar_asks_nobody() -> None:
    master = Master(Pillar({"v": 1}))
    context = prepared(master, file_client="remote", custom={"color": "red"})
    call(context, "test.echo", "x")
    assert call(context, "config.get", "color") == "red"
    assert call(context, "config.get", "os") == "Debian"
    assert master.asked == []


def test_it_is_asked_for_once_with_the_grains_and_the_environments_of_the_configuration() -> None:
    master = Master(Pillar({"v": {"w": 1}}))
    context = prepared(master, pillarenv="dev")
    assert call(context, "pillar.get", "v:w") == 1
    assert call(context, "pillar.item", "v", "x") == {"v": {"w": 1}, "x": ""}
    assert call(context, "config.get", "v:w") == 1
    (asked,) = master.asked
    assert asked["grains"]["os"] == "Debian"
    assert (asked["saltenv"], asked["pillarenv"]) == (None, "dev")
    assert (asked["override"], asked["is_usual"]) == (None, True)


def test_it_is_rendered_anew_where_that_is_asked_for() -> None:
    master = Master(Pillar({"v": 1}))
    context = prepared(master)
    assert call(context, "pillar.get", "v") == 1
    master.pillar = Pillar({"v": 2})
    assert call(context, "pillar.get", "v") == 1
    assert call(context, "pillar.items") == {"v": 2}
    assert call(context, "saltutil.refresh_pillar") is True
    assert call(context, "pillar.get", "v") == 2
    assert call(context, "pillar.items", pillar={"x": 1}) == {"v": 2}
    assert (master.asked[-1]["override"], master.asked[-1]["is_usual"]) == ({"x": 1}, False)
    call(context, "pillar.get", "v", pillarenv="dev")
    assert (master.asked[-1]["pillarenv"], master.asked[-1]["is_usual"]) == ("dev", False)


def test_what_does_not_come_with_the_answer_is_pulled_and_begun_again_when_it_changes() -> None:
    master = Master(Pillar({"v": "x" * 100}), inline=False, changes=1)
    assert call(prepared(master), "pillar.get", "v") == "x" * 100
    assert len(master.asked) == 2


def test_a_master_that_never_gives_it_is_an_error() -> None:
    master = Master(Pillar({"v": 1}), inline=False, changes=10)
    with pytest.raises(HostError, match="did not give the pillar"):
        call(prepared(master), "pillar.get", "v")


def test_a_master_that_promises_more_than_can_be_is_told_so_before_anything_is_pulled() -> None:
    class Endless(Master):
        def ask(self, question: Question, *, known: str = "") -> Served:
            return Served(True, "ab" * 32, 2**50, {}, None)

        def pull(self, question: Question, served: Served, offset: int) -> bytes:
            raise AssertionError("nothing is pulled")

    context = prepared(Endless(Pillar({})))
    with pytest.raises(HostError, match=r"has 1125899906842624 bytes"):
        call(context, "pillar.items")


def test_errors_of_the_pillar_are_seen_by_functions_and_refreshes() -> None:
    master = Master(Pillar({"v": 1}, ["it is broken"], places={"it is broken": "/srv/a.sls:3"}))
    context = prepared(master)
    assert call(context, "pillar.items") == {"v": 1, "_errors": ["it is broken"]}
    assert call(context, "saltutil.refresh_pillar") is False
    assert job.load(context).told == ["it is broken (/srv/a.sls:3)"]


def test_secrets_are_hidden_once_the_pillar_is_loaded() -> None:
    secret = Pillar(
        {"password": "hunter22", "x": ["marked-one"]},
        secret_keys=SecretKeys(("password",)),
        secret_paths=[["x", 0]],
    )
    shown: list[bytes] = []
    context = make_context(configuration={"pillar_secret_keys": ["token"]})
    context.sources = Master(secret)
    context.stream = shown.append
    flush = job.prepare(context)
    assert context.mask({"token": "abcd", "v": "hunter22"}) == {"token": MASK, "v": "hunter22"}
    assert call(context, "pillar.get", "password") == "hunter22"
    assert context.mask(["hunter22", "marked-one", {"token": 1}]) == [MASK, MASK, {"token": MASK}]
    context.stream(b"it is hunt")
    context.stream(b"er22 and hun")
    flush()
    assert b"".join(shown) == f"it is {MASK} and hun".encode()


def test_a_minion_does_not_choose_what_its_master_runs() -> None:
    context = prepared(Master(Pillar({})))
    with pytest.raises(UsageError, match="chosen in the master's configuration"):
        call(context, "pillar.ext", {"cmd_yaml": "id"})
    with pytest.raises(UsageError, match="on the master"):
        call(context, "pillar.file_exists", "a.sls")


def test_the_functions_answer_as_salts_do() -> None:
    data = {
        "os": "Debian",
        "n": None,
        "l": [1, {"a": True}],
        "m": {"k": "v"},
        "role": ["db", "web"],
    }
    context = prepared(Master(Pillar(data)))
    assert call(context, "pillar.obfuscate") == {
        "os": "<str>",
        "n": "<NoneType>",
        "l": ["<int>", {"a": "<bool>"}],
        "m": {"k": "<str>"},
        "role": ["<str>", "<str>"],
    }
    assert call(context, "pillar.ls") == list(data)
    assert call(context, "pillar.keys", "m") == ["k"]
    assert call(context, "pillar.fetch", "l:0") == 1
    assert call(context, "pillar.raw", "gone") == {}
    assert call(context, "pillar.items", "m:k", "gone") == {"m:k": "v", "gone": ""}
    table = {"web*": {"p": 1}, "default": {"p": 0, "q": 0}, "base": {"r": 1}}
    assert call(context, "pillar.filter_by", table, "role") == {"p": 1}
    assert call(context, "pillar.filter_by", table, "gone") == {"p": 0, "q": 0}
    assert call(context, "pillar.filter_by", table, "role", base="base") == {"p": 1, "r": 1}
    assert call(context, "pillar.filter_by", table, "role", merge={"p": 5}) == {"p": 5}


PLAIN = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(allow_nan=False),
        st.text(st.characters(codec="utf-8"), max_size=8),
        st.binary(max_size=8),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text("abc", max_size=3), inner, max_size=4),
    ),
    max_leaves=12,
)


@given(data=st.dictionaries(st.text("abc", max_size=3), PLAIN, max_size=4))
def test_a_body_gives_back_what_went_into_it(data: dict[str, Any]) -> None:
    pillar = Pillar(
        data,
        ["e"],
        secret_keys=SecretKeys(("p*",)),
        secret_paths=[["a", 0]],
        places={"e": "/a:1"},
    )
    assert decode_pillar(encode_pillar(pillar)) == pillar


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x90", b"\x81\xa4data\x01", b"\x81\xa4nope\x80"])
def test_a_body_that_is_none_is_a_host_error(body: bytes) -> None:
    with pytest.raises(HostError, match="can't be read"):
        decode_pillar(body)


def test_what_has_no_word_on_the_wire_becomes_text() -> None:
    odd = {"big": 2**70, "set": {"b", "a"}, ("t", 1): 1, "lone": "\ud800"}
    found = decode_pillar(encode_pillar(Pillar(odd))).data  # type: ignore[arg-type]
    assert found == {"big": str(2**70), "set": ["a", "b"], "('t', 1)": 1, "lone": "\\ud800"}
