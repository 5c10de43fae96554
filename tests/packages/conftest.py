"""One build for all tests of packages, of a copy of this tree that nobody edits meanwhile."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp

import pytest

from deb.__main__ import ROOT, build
from deb.programs import FetchError, missing_tools
from deb.source import copy, look_at
from support.hosts.package_roots import PackageRoot, why_not
from support.packaging.package_builds import Built, NewRoot

TIMEOUT_S = 400
"""The first test that needs packages builds them, and perhaps the root: a minute or two."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    reason = why_not()
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("packages"))
            item.add_marker(pytest.mark.timeout(TIMEOUT_S))
            names = getattr(item, "fixturenames", ())
            if reason and "new_root" in names:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Give the packages of this tree."""
    if lacking := missing_tools():
        pytest.skip(f"not here: {', '.join(lacking)}")
    place = tmp_path_factory.mktemp("packages")
    source = look_at(ROOT)
    copy(source, place / "tree")
    try:
        made = build(place / "tree", place / "dist")
    except FetchError as error:
        pytest.skip(f"the interpreter can't be fetched here: {error}")
    minion, master, wheel, sdist = sorted(made, key=_order)
    return Built(source.version, place / "tree", minion, master, wheel, sdist)


def _order(path: Path) -> int:
    words = ("limpet-minion_", "limpet-master_", ".whl", ".tar.gz")
    return next(number for number, word in enumerate(words) if word in path.name)


@pytest.fixture
def new_root() -> Iterator[NewRoot]:
    """Give minimal Debian roots, each a layer of its own."""
    with ExitStack() as roots:
        yield lambda: roots.enter_context(
            PackageRoot(Path(mkdtemp(prefix="limpet-root-", dir="/var/tmp")))
        )
