"""What is in the packages: papers, sizes, dependencies; and that they are built the same again."""

import json
import marshal
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest
from conftest import Tell

from deb.__main__ import ROOT, build
from deb.facts import MAINTAINER
from deb.repack import packages_in, payload_in, repack
from support.packaging.package_builds import Built

SIZE_MAX = 75_000_000
"""Bytes on a host, of one package."""


def field(package: Path, name: str) -> str:
    return subprocess.run(
        ["dpkg-deb", "-f", package, name], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture(scope="session")
def unpacked(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("unpacked")
    subprocess.run(["dpkg-deb", "-R", built.minion, place / "minion"], check=True)
    return place / "minion"


def names_in(code: CodeType) -> Iterator[str]:
    """Give the files that compiled code says it comes from."""
    yield code.co_filename
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from names_in(constant)


def test_nothing_in_a_package_tells_who_built_it_or_where(built: Built, unpacked: Path) -> None:
    said = ["git", "log", "-1", "--format=%an%n%ae"]
    author = subprocess.run(said, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    words = [*author.split("\n"), str(built.tree), str(ROOT), str(built.minion.parent)]
    traces = [word.encode() for word in words if len(word) > 3]
    for path in unpacked.rglob("*"):
        assert path.name not in ("direct_url.json", "INSTALLER", "RECORD", "REQUESTED")
        data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        assert not [word for word in traces if word in data], path
        if path.suffix == ".pyc":
            strange = [each for each in names_in(marshal.loads(data[16:])) if each[:1] in "/<"]
            assert not strange, path
    assert field(built.minion, "Maintainer") == field(built.master, "Maintainer") == MAINTAINER


@pytest.mark.slow
def test_lintian_finds_no_error(built: Built, tmp_path: Path) -> None:
    if shutil.which("lintian") is None:
        pytest.skip("not here: lintian")
    # What the payload holds is the same for both: half a minute less.
    root = tmp_path / "root"
    subprocess.run(["dpkg-deb", "-R", built.master, root], check=True)
    shutil.rmtree(payload_in(root) / "lib")
    sums = (root / "DEBIAN/md5sums").read_text().splitlines(keepends=True)
    kept = [line for line in sums if (root / line.split()[1]).exists()]
    (root / "DEBIAN/md5sums").write_text("".join(kept))
    master = tmp_path / built.master.name
    pack = ["dpkg-deb", "--root-owner-group", "-Zxz", "-z0", "-b", str(root), str(master)]
    subprocess.run(pack, check=True, capture_output=True)

    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error", built.minion, master],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not [line for line in done.stdout.splitlines() if line.startswith("E:")]


def test_a_package_takes_at_most_75_mb(built: Built, unpacked: Path, tell: Tell) -> None:
    for package in (built.minion, built.master):
        size = int(field(package, "Installed-Size")) * 1024
        tell(
            f"{package.name}: {package.stat().st_size / 1e6:.1f} MB, installed {size / 1e6:.1f} MB"
        )
        assert size <= SIZE_MAX
    said = subprocess.run(["du", "-s", "-B1", unpacked], capture_output=True, text=True, check=True)
    assert abs(int(said.stdout.split()[0]) - size) < 12_000_000  # blocks of 4 KiB


def test_nothing_is_wanted_that_a_minimal_host_lacks(built: Built) -> None:
    for package in (built.minion, built.master):
        wanted = field(package, "Depends").split(", ")
        assert set(wanted) <= {
            "libc6 (>= 2.36)", "libcrypt1", "libgcc-s1", "libstdc++6", "passwd", "zlib1g",
        }  # fmt: skip
        assert field(package, "Pre-Depends") == ""
    assert field(built.minion, "Limpet-Journal-Format").isdigit()
    assert field(built.master, "Limpet-Store-Schema").isdigit()
    low, high = field(built.minion, "Limpet-Protocol").split("-")
    assert 1 <= int(low) <= int(high)


def test_every_part_of_others_is_listed_with_its_licence(unpacked: Path) -> None:
    doc = unpacked / "usr/share/doc/limpet-minion"
    parts = json.loads((doc / "sbom.cdx.json").read_text())["components"]
    rights = (doc / "copyright").read_text()
    installed = {
        path.name.partition("-")[0].lower() for path in packages_in(unpacked).glob("*.dist-info")
    }
    named = {
        part["name"].replace("-", "_") for part in parts if part["purl"].startswith("pkg:pypi")
    }
    assert installed - {"limpet"} <= named
    assert {"cryptography", "pyzmq", "msgspec"} <= named
    for part in parts:
        prefix = "python3-" if part["purl"].startswith("pkg:pypi") else ""
        assert f"\n{prefix}{part['name']}\n" in rights, part["name"]
        assert len(part["hashes"][0]["content"]) == 64
    for needle in ("PYTHON SOFTWARE FOUNDATION LICENSE", "OpenSSL", "Hipp", "Mozilla Public"):
        assert needle in rights


def test_all_is_compiled_and_never_compiled_again(unpacked: Path) -> None:
    library = payload_in(unpacked) / "lib/python3.11"
    sources = {p for p in library.rglob("*.py") if "lib2to3" not in p.parts}
    for source in sources:
        compiled = source.parent / "__pycache__" / f"{source.stem}.cpython-311.pyc"
        assert compiled.read_bytes()[4:8] == b"\1\0\0\0", compiled  # by hash, unchecked
    assert len(sources) > 1000


def test_configuration_is_said_twice_the_same(unpacked: Path) -> None:
    named = (unpacked / "DEBIAN/conffiles").read_text().split()
    assert "/etc/limpet/minion.yaml" in named
    for name in named:
        pristine = payload_in(unpacked) / "share/conffiles" / name[1:]
        assert pristine.read_bytes() == (unpacked / name[1:]).read_bytes()
    text = (unpacked / "etc/limpet/minion.yaml").read_text()
    assert all(line.startswith("#") for line in text.splitlines())
    exclusion = (unpacked / "etc/needrestart/conf.d/limpet-minion.conf").read_text()
    assert "$nrconf{override_rc}{qr(^limpet-)} = 0;" in exclusion
    if shutil.which("perl"):
        test = (
            f"our %nrconf = (override_rc => {{}}); {exclusion} print %{{$nrconf{{override_rc}}}};"
        )
        said = subprocess.run(["perl", "-we", test], capture_output=True, text=True, check=True)
        assert said.stdout == "(?^:^limpet-)0"
    if shutil.which("apt-config"):
        said = subprocess.run(
            ["apt-config", "-c", unpacked / "etc/apt/apt.conf.d/52limpet-minion", "dump"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert 'Unattended-Upgrade::Package-Blacklist:: "^limpet-minion$";' in said.stdout


@pytest.mark.slow
def test_the_same_tree_gives_the_same_bytes(built: Built, tmp_path: Path) -> None:
    (again,) = build(built.tree, tmp_path, only="minion")
    assert again.read_bytes() == built.minion.read_bytes()


def test_a_changed_module_is_compiled_under_the_new_version(built: Built, tmp_path: Path) -> None:
    def break_it(root: Path) -> None:
        (packages_in(root) / "limpet/minion/process/loop.py").write_text(
            "raise ImportError('planted')\n"
        )
        (packages_in(root) / "limpet/minion/core/machine.py").write_text("no python at all\n")

    package = repack(built.minion, tmp_path, "9.0+bad", break_it)
    subprocess.run(["dpkg-deb", "-x", package, tmp_path / "root"], check=True)
    place = payload_in(tmp_path / "root")

    def say(code: str) -> str:
        line = [str(place / "bin/python3.11"), "-I", "-B", "-c", code]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        return done.stderr[-200:]

    assert "ImportError: planted" in say("import limpet.minion.process.loop")
    assert "SyntaxError" in say("import limpet.minion.core.machine")
    said = subprocess.run([place / "bin/limpet", "--version"], capture_output=True, text=True)
    assert said.stdout == "limpet 9.0+bad\n"
    assert (place / "BUILD").read_text().startswith("9.0+bad ")
    assert field(package, "Version") == "9.0+bad"
