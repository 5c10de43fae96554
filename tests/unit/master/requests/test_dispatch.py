"""Each request has one file that answers it, and is found there."""

from typing import get_args

from limpet.common.control.requests import AnyRequest, Request
from limpet.master.requests.dispatch import KINDS, handlers
from support.master.master_bench import ready


def test_every_request_has_somebody_who_answers_it() -> None:
    assert set(handlers()) == set(get_args(AnyRequest))


def test_every_file_of_kinds_answers_something() -> None:
    answering = {handler.__module__.rpartition(".")[2] for handler in handlers().values()}
    assert answering == set(KINDS)


def test_a_request_that_nobody_answers_is_refused_by_its_name() -> None:
    class Unheard(Request, tag="unheard", frozen=True):
        pass

    bench, _ = ready("web1")
    (reply,) = bench.ask(1, Unheard())
    assert "does not know the request Unheard" in reply.text  # type: ignore[attr-defined]
