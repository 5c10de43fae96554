"""Whose turn it is to SYNC."""

from limpet.common.identifiers import MinionKey
from limpet.master.sessions.admission import Admission

A, B, C, D = (MinionKey(letter) for letter in "abcd")


def test_turns_are_taken_in_order() -> None:
    admission = Admission(1)
    assert admission.enter(A)
    assert not admission.enter(B)
    assert not admission.enter(C)
    assert not admission.enter(B)  # greeted again: keeps its place
    assert admission.next_in_turn() is None
    admission.leave(A)
    assert not admission.enter(D)
    assert admission.next_in_turn() == B
    assert admission.enter(B)
    assert (admission.inside, len(admission)) == (1, 2)


def test_who_leaves_the_queue_is_not_waited_for() -> None:
    admission = Admission(1)
    admission.enter(A)
    admission.enter(B)
    admission.enter(C)
    admission.leave(B)
    admission.leave(A)
    assert admission.next_in_turn() == C


def test_who_is_inside_stays_inside() -> None:
    admission = Admission(1)
    assert admission.enter(A)
    assert admission.enter(A)
    assert admission.inside == 1
