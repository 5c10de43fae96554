from limpet.states.runner.plan import Index, plan
from support.states.state_bench import chunk

A = "test_|-a_|-a_|-nop"
B = "test_|-b_|-b_|-nop"


def test_a_requisite_names_a_state_by_module_and_id_or_name() -> None:
    index = Index([chunk("test.nop", "a", name="the name"), chunk("cmd.run", "b")])

    assert index.find({"test": "a"}) == index.find({"test": "the name"}) == index.find("a")
    assert index.find({"test.nop": "a"}) == ["test_|-a_|-the name_|-nop"]
    assert index.find({"cmd": "a"}) == []


def test_a_requisite_may_be_a_pattern_or_a_whole_sls() -> None:
    chunks = [chunk("test.nop", id_) for id_ in ("web1", "web2", "db")]
    chunks.append(chunk("test.nop", "other", __sls__="base.other", __sls_included_from__=["top"]))
    index = Index(chunks)

    assert len(index.find({"test": "web*"})) == 2
    assert len(index.find({"sls": "main"})) == 3
    assert len(index.find({"sls": "base.*"})) == len(index.find({"sls": "top"})) == 1


def test_what_is_no_reference_means_nothing() -> None:
    index = Index([chunk("test.nop", "a")])

    assert [index.find(odd) for odd in (None, 5, {}, {"test": 5}, ["a"])] == [[]] * 5


def test_a_state_waits_for_what_its_requisites_name() -> None:
    found = plan(
        [chunk("test.nop", "a"), chunk("test.nop", "b", require=["a"], watch=[{"test": "a"}])]
    )

    assert found.needed(B, is_preview=False) == [("require", A), ("watch", A)]
    assert found.needed(A, is_preview=False) == []


def test_a_state_that_is_named_as_prereq_has_a_preview_and_then_waits() -> None:
    first = chunk("test.nop", "a")
    found = plan([first, chunk("test.nop", "b", prereq=[{"test": "a"}]), first])

    assert found.is_previewed(A)
    assert not found.is_previewed(B)
    assert found.needed(A, is_preview=True) == []
    assert found.needed(A, is_preview=False) == [("require", B)]
    assert found.needed(B, is_preview=False) == [("prereq", A)]


def test_requisites_of_a_wrong_form_are_left_to_the_compiler() -> None:
    found = plan([chunk("test.nop", "a", require="b"), chunk("test.nop", "b")])

    assert found.needed(A, is_preview=False) == []
