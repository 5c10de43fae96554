import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limpet.common.errors import UsageError
from limpet.states.functions.pip import versions as python_versions
from limpet.states.functions.pkg import conditions
from limpet.states.host.packages import debian_versions, rpm_versions

OLD_TO_NEW = [
    "0~~", "0~", "0", "0.9", "1.0~rc1", "1.0~rc1-2", "1.0", "1.0-0ubuntu1", "1.0-1", "1.0-1+b1",
    "1.0-1.1", "1.0a", "1.0+dfsg-1", "1.0.1", "1.10", "2:0.1", "10:0",
]  # fmt: skip
DEBIAN = st.from_regex(r"([0-9]:)?[0-9][0-9a-c.+~]{0,6}(-[0-9a-c.+~]{1,4})?", fullmatch=True)


def test_debian_versions_stand_in_their_order() -> None:
    for index, older in enumerate(OLD_TO_NEW):
        for newer in OLD_TO_NEW[index + 1 :]:
            assert debian_versions.compare(older, newer) == -1, f"{older} < {newer}"
            assert debian_versions.compare(newer, older) == 1
        assert debian_versions.compare(older, older) == 0
    assert debian_versions.compare("1.0", "0:1.0-0") == 0


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="this machine has no dpkg to ask")
@settings(max_examples=60, deadline=None)
@given(first=DEBIAN, second=DEBIAN)
def test_dpkg_itself_agrees(first: str, second: str) -> None:
    order = {-1: "lt", 0: "eq", 1: "gt"}[debian_versions.compare(first, second)]

    answer = subprocess.run(
        ["dpkg", "--compare-versions", first, order, second], capture_output=True, check=False
    )

    assert answer.returncode == 0, f"dpkg does not say that {first} {order} {second}"


@pytest.mark.parametrize(
    ("first", "second", "order"),
    [
        ("1.0", "1.0", 0), ("1.0", "1.0-3.el9", 0), ("1.0~rc1", "1.0", -1), ("1.0^git1", "1.0", 1),
        ("1.0^git1", "1.0.1", -1), ("1.0^", "1.0^git1", -1), ("5.5p1", "5.5p10", -1),
        ("10xyz", "10.1xyz", -1), ("xyz.4", "8", -1), ("2.0.1a", "2.0.1", 1), ("1:1.0", "2.0", 1),
        ("1.0-1.el9", "1.0-2.el9", -1), ("1.0~rc1^git1", "1.0~rc1", 1),
    ],
)  # fmt: skip
def test_rpm_versions_are_compared_as_rpm_does(first: str, second: str, order: int) -> None:
    assert rpm_versions.compare(first, second) == order
    assert rpm_versions.compare(second, first) == -order


@pytest.mark.parametrize(
    ("version", "said", "is_met"),
    [
        ("1.2-1", "1.2-1", True), ("1.2-1", "=1.2-1", True), ("1.2-1", "1.2.*", False),
        ("1.2.3-1", "1.2.*", True), ("1.2.3-1", "1.2*", True), ("2:1.2", "1.2*", False),
        ("1.2-1", ">=1.2", True), ("1.2-1", ">=1.2-1,<2", True), ("2.1", ">=1.2,<2", False),
        ("1.2-1", "!=1.2-1", False), ("1.2-1", "<>1.3", True), ("1.2", "> 1.1", True),
    ],
)  # fmt: skip
def test_a_version_meets_what_is_said(version: str, said: str, is_met: bool) -> None:
    assert conditions.is_met(version, said, debian_versions.compare) is is_met


def test_an_epoch_is_ignored_only_where_that_is_asked() -> None:
    compare = debian_versions.compare

    assert not conditions.is_met("1:2.0", "2.0", compare)
    assert conditions.is_met("1:2.0", "2.0", compare, ignore_epoch=True)


def test_a_newer_version_is_fine_where_updates_are_allowed() -> None:
    compare = debian_versions.compare

    assert conditions.is_met("2.0", "1.0", compare, allow_newer=True)
    assert not conditions.is_met("0.9", "1.0", compare, allow_newer=True)
    assert not conditions.is_met("2.0", "<1.5", compare, allow_newer=True)


def test_what_says_no_version_is_an_error() -> None:
    with pytest.raises(UsageError, match="says no version"):
        conditions.conditions(">= 1.2 or so")


PYTHON_OLD_TO_NEW = [
    "1.0.dev1", "1.0a1.dev1", "1.0a1", "1.0b2", "1.0rc1", "1.0", "1.0+local", "1.0.post1", "1.1",
    "1!0.1",
]  # fmt: skip


def test_python_versions_stand_in_their_order() -> None:
    for index, older in enumerate(PYTHON_OLD_TO_NEW):
        for newer in PYTHON_OLD_TO_NEW[index + 1 :]:
            assert python_versions.compare(older, newer) == -1, f"{older} < {newer}"
            assert python_versions.compare(newer, older) == 1
    assert python_versions.compare("1.0", "1.0.0") == 0
    assert python_versions.compare("1.0-alpha.1", "1.0a1") == 0


@pytest.mark.parametrize(
    ("text", "version", "is_met"),
    [
        ("django", "4.2", True), ("django==4.2", "4.2.0", True), ("django==4.*", "4.2", True),
        ("django==4.2.*", "4.20", False), ("django>=4,<5", "4.2", True),
        ("django~=4.2", "4.9", True),
        ("django~=4.2.1", "4.3", False), ("django!=4.2", "4.2", False), ("django<4", "4.2", False),
        ("django[argon2] >= 4 ; python_version > '3'", "4.2", True), ("Django (>=4)", "4.2", True),
        ("x==1.0", "1.0+local", True), ("x===1.0", "1.0.0", False),
    ],
)  # fmt: skip
def test_a_requirement_is_met(text: str, version: str, is_met: bool) -> None:
    assert python_versions.requirement(text).is_met(version) is is_met


def test_names_are_read_out_of_requirements() -> None:
    read = python_versions.requirement

    assert read("My_Package>=1").name == "my-package"
    assert read("git+https://git.example.org/x.git@v1#egg=X.Y").name == "x-y"
    assert read("./local/dir").name == ""
    assert read("x @ https://example.org/x.whl").is_address


@pytest.mark.parametrize("text", ["-r evil", "--index-url=http://evil", "", "a b", "a\nb", "x=1"])
def test_what_pip_could_take_for_an_option_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        python_versions.requirement(text)
