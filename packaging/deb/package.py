"""A package's root: payload, configuration, units, papers, control files; packed at the end."""

import hashlib
import os
import re
from pathlib import Path
from typing import Final

from deb import documents, files, payload
from deb.environment import Environment
from deb.facts import MAINTAINER, Facts, ask, first_of_schema
from deb.programs import BuildError, run
from deb.roles import ADVICE, STORE, Role, preset_of, units_of
from deb.source import Source, units_place

HERE: Final = Path(__file__).parent
SCRIPTS: Final = ("preinst", "postinst", "prerm", "postrm")
COMPRESSION: Final = ("-Zxz", "-z0")
"""21 MB in 3 s of a processor; the usual -z6 takes 30 s and spares 4 MB."""
DIRECTORIES: Final = {"etc/limpet": 0o750}
OVERRIDES: Final = """\
# Of no distribution: the whole of it is below /opt, so that a version is one directory that is
# switched to, and back from, by one rename.
@PACKAGE@: dir-or-file-in-opt *
# It brings its interpreter and that one's libraries, so that no upgrade of the host's Python can
# strand it (docs/decisions/008-own-interpreter.md).
@PACKAGE@: embedded-library *
@PACKAGE@: custom-library-search-path *
# A version is compiled when it is built: its directory is then never written to on the host, and
# dpkg can verify all of it.
@PACKAGE@: package-installs-python-pycache-dir *
# First lines of modules of Debian's own libpython3.11-stdlib, which nobody runs as programs.
@PACKAGE@: interpreter-in-usr-local *
@PACKAGE@: script-not-executable *
@PACKAGE@: unusual-interpreter *
"""


def build(
    role: Role, source: Source, tree: Path, program: Path, environment: Environment, work: Path
) -> Path:
    """Make the package's root in `work` and give it; `program` stays.

    Raises `BuildError`.
    """
    root = work / role.package
    place = root / payload.place_of(role)
    files.link_tree(program, place)
    pages = payload.finish(place, role, tree, source.version, work)
    version, identity = (place / "BUILD").read_text(encoding="utf-8").split()
    facts = ask(place)
    for name, (text, mode) in payload.conffiles(role).items():
        files.write(root / name, text, mode)
    _put_units(root, role, tree)
    doc = root / "usr/share/doc" / role.package
    documents.write_all(doc, role, version, environment, source.epoch_s)
    overrides = OVERRIDES.replace("@PACKAGE@", role.package)
    files.write(root / "usr/share/lintian/overrides" / role.package, overrides)
    values = {
        "@ROLE@": role.name,
        "@PACKAGE@": role.package,
        "@OTHER@": f"limpet-{role.other}",
        "@UNITS@": " ".join(role.units),
        "@PRIORITY@": str(role.priority),
        "@SLAVES@": _slaves(role, pages),
        "@VERSION@": version,
        "@BUILD@": f"{version}-{identity}",
        "@STORE@": STORE,
        "@SCHEMA@": str(facts.store_schema),
        "@FIRST_OF_SCHEMA@": first_of_schema(facts, source.base_version),
        "@ADVICE@": ADVICE,
    }
    write_scripts(root / "DEBIAN", role, values)
    _write_control(root, role, version, facts, environment)
    return root


def _put_units(root: Path, role: Role, tree: Path) -> None:
    place = root / "usr/lib/systemd/system"
    for unit in units_of(role, units_place(tree)):
        files.write(place / unit.name, unit.read_text(encoding="utf-8"))
        if unit.name in role.wanted:
            link = place / "multi-user.target.wants" / unit.name
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(f"../{unit.name}")
    if told := preset_of(role, units_place(tree)):
        files.write(root / f"usr/lib/systemd/system-preset/80-{role.package}.preset", told)


def _slaves(role: Role, pages: list[str]) -> str:
    """Give the manual pages as followers of /usr/bin/limpet."""
    return " ".join(
        f"--slave /usr/share/man/{page} {Path(page).name} "
        f"/opt/limpet/{role.name}/current/share/man/{page}"
        for page in pages
    )


def write_scripts(place: Path, role: Role, values: dict[str, str]) -> None:
    """Write the scripts that dpkg runs, put together from their parts. Raises `BuildError`."""

    def part(name: str) -> str:
        path = HERE / "scripts" / name
        return path.read_text(encoding="utf-8").strip("\n") if path.exists() else ""

    parts = {
        "@COMMON@": part("common.sh"),
        "@PREINST@": part(f"preinst-{role.name}.sh"),
        "@USERS@": part(f"users-{role.name}.sh"),
        "@PREPARE@": part(f"prepare-{role.name}.sh"),
        "@GUARD@": part(f"guard-{role.name}.sh").strip(),
        "@REFUSAL@": part(f"refusal-{role.name}.sh"),
        "@SCHEMA_OF_STORE@": part(f"schema-{role.name}.sh"),
        "@WANTED@": " ".join(role.wanted),
        "@PURGE@": part(f"purge-{role.name}.sh"),
    }
    for name in SCRIPTS:
        text = part(f"{name}.sh") + "\n"
        for word, value in (*parts.items(), *values.items()):
            text = text.replace(word, value)
        if left := re.search(r"@[A-Z_]+@", text):
            raise BuildError(f"{name} of {role.package}: nothing is known of {left.group()}")
        files.write(place / name, text, 0o755)


def _write_control(
    root: Path, role: Role, version: str, facts: Facts, environment: Environment
) -> None:
    libc = [f"{name} (>= 2.36)" if name == "libc6" else name for name in environment.depends]
    number = (
        f"Limpet-Journal-Format: {facts.journal_format}"
        if role.name == "minion"
        else f"Limpet-Store-Schema: {facts.store_schema}"
    )
    lines = [
        f"Package: {role.package}",
        f"Version: {version}",
        "Architecture: amd64",
        f"Maintainer: {MAINTAINER}",
        f"Installed-Size: {files.installed_kib(root)}",
        f"Depends: {', '.join(sorted([*libc, 'passwd']))}",
        "Section: admin",
        "Priority: optional",
        number,
        f"Limpet-Protocol: {facts.protocol_min}-{facts.protocol_max}",
        f"Description: {role.summary}",
        *(f" {line}" for line in role.description),
    ]
    files.write(root / "DEBIAN/control", "\n".join(lines) + "\n")
    listed = "".join(f"/{name}\n" for name in sorted(payload.conffiles(role)))
    files.write(root / "DEBIAN/conffiles", listed)
    write_sums(root, set(payload.conffiles(role)))


def write_sums(root: Path, conffiles: set[str]) -> None:
    """Write what `dpkg --verify` compares with."""
    lines = []
    for path in files.walk(root):
        name = str(path.relative_to(root))
        is_file = path.is_file() and not path.is_symlink()
        if is_file and name not in conffiles and not name.startswith("DEBIAN/"):
            with path.open("rb") as file:
                lines.append(f"{hashlib.file_digest(file, 'md5').hexdigest()}  {name}\n")
    files.write(root / "DEBIAN/md5sums", "".join(lines))


def pack(
    root: Path, out: Path, name: str, epoch_s: int, compression: tuple[str, ...] = COMPRESSION
) -> Path:
    """Pack a root into `out`/NAME: owned by root, every mode said, nothing newer than `epoch_s`."""
    for path in [*files.walk(root), root]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(DIRECTORIES.get(str(path.relative_to(root)), files.DIRECTORY_MODE))
            os.utime(path, (epoch_s, epoch_s))
    out.mkdir(parents=True, exist_ok=True)
    making = out / f".{name}.{os.getpid()}"
    run(
        "dpkg-deb", "--root-owner-group", *compression, "--build", root, making,
        environment={"SOURCE_DATE_EPOCH": str(epoch_s)},
    )  # fmt: skip
    making.chmod(0o644)
    return making.rename(out / name)
