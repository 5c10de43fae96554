"""What has to be made above a path, found out the same way by all who make it."""

import pytest

from limpet.states.ports.file_system import missing_folders


@pytest.mark.parametrize(
    ("folder", "there", "missing"),
    [
        ("/a/b/c", {"/a"}, ["/a/b", "/a/b/c"]),
        ("/a/b/c/", {"/a/b/c"}, []),
        ("/a", set(), ["/a"]),
        ("/", set(), []),
        ("", set(), []),
        ("a/b", set(), ["a", "a/b"]),
    ],
)
def test_what_is_missing_is_given_from_the_top(
    folder: str, there: set[str], missing: list[str]
) -> None:
    assert missing_folders(folder, there.__contains__) == missing
