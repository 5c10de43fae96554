"""Packages on a minimal Debian host: put there, upgraded, removed, purged; always offline."""

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from deb.repack import packages_in, repack
from support.packaging.package_builds import Built, NewRoot

MODES = {
    "etc/limpet": "d 750 root:limpet",
    "etc/limpet/master.d": "d 750 root:limpet",
    "etc/limpet/master.yaml": "f 640 root:limpet",
    "etc/limpet/minion.d": "d 700 root:root",
    "etc/limpet/minion.yaml": "f 600 root:root",
    "srv/limpet": "d 750 root:limpet",
    "srv/limpet/pillar": "d 750 root:limpet",
    "srv/limpet/states": "d 750 root:limpet",
    "var/cache/limpet": "d 700 limpet:limpet",
    "var/cache/limpet-minion": "d 700 root:root",
    "var/lib/limpet": "d 700 limpet:limpet",
    "var/lib/limpet-minion": "d 700 root:root",
}
"""What is not simply root's and everybody's to read."""

BROUGHT = """
import bz2, crypt, ctypes, cryptography, hashlib, lzma, psutil, sqlite3, ssl, sys, uuid, yaml, zmq
from pathlib import Path
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
Ed25519PrivateKey.generate().sign(b"")
public, secret = zmq.curve_keypair()
assert zmq.curve_public(secret) == public
assert sqlite3.connect(":memory:").execute("select json('[1]')").fetchone() == ("[1]",)
assert ssl.create_default_context() and ctypes.CDLL(None).getpid() and uuid.uuid1()
assert yaml.CSafeLoader and psutil.Process().name()
assert lzma.decompress(lzma.compress(b"a")) == bz2.decompress(bz2.compress(b"a")) == b"a"
for path in Path(sys.prefix, "lib/python3.11/lib-dynload").glob("*.so"):
    __import__(path.name.partition(".")[0])
loaded = {line.split()[-1] for line in open("/proc/self/maps") if ".so" in line}
ours = str(Path(sys.prefix).resolve())
print(*sorted(path for path in loaded if not path.startswith(ours)), sep="\\n")
print("path", *sys.path)
"""
"""Uses all of what the package brings, and tells what was taken from elsewhere."""


def test_both_packages_install_side_by_side_without_a_network(
    built: Built, new_root: NewRoot
) -> None:
    root = new_root()
    names = root.bring(built.minion, built.master)
    before = root.listing()
    root.run(f"umask 077; dpkg -i {names}")
    # No key, no identity: what an image is made of is the same for all hosts.
    assert root.run("find /var/lib/limpet /var/lib/limpet-minion -mindepth 1") == ""

    said = root.run(
        "limpet --version; limpet call --local test.ping;"
        "dpkg --verify limpet-minion limpet-master;"
        "readlink -f /usr/bin/limpet; ls /usr/bin/python3 2>&1 || :;"
        "id -nG limpet; id -nG limpet-enrol"
    ).splitlines()
    assert said[0] == f"limpet {built.version}"
    assert said[1:3] == ["local:", "    True"]
    assert said[3].startswith("/opt/limpet/master/versions/")
    assert "No such file" in said[4]
    assert said[5].split() == ["limpet", "limpet-enrol"]
    assert said[6:] == ["limpet-enrol"]

    named = root.run(
        "for p in "
        + " ".join(MODES)
        + r"; do find /$p -maxdepth 0 -printf '%P%H\t%y %m %u:%g\n'; done"
    )
    assert dict(line[1:].split("\t") for line in named.splitlines()) == MODES
    others = {
        name: told.split()[:3]
        for name, told in root.listing().items()
        if name not in before and name not in MODES
    }
    assert {told[2] for told in others.values()} == {"0:0"}
    assert {(told[0], told[1]) for told in others.values()} == {
        ("d", "755"), ("f", "644"), ("f", "755"), ("l", "777"),
    }  # fmt: skip


def test_everything_that_the_program_needs_is_brought(built: Built, new_root: NewRoot) -> None:
    root = new_root()
    root.run("rm -r /usr/share/man")  # as in images for containers
    root.run(f"dpkg -i {root.bring(built.minion)}")
    (root.path / "tmp/brought.py").write_text(BROUGHT)
    poison = "raise SystemExit('poisoned')"
    for name in (
        "usr/lib/python3/dist-packages/zmq.py", "etc/python3.11/sitecustomize.py",
        "usr/lib/python3.11/os.py", "root/.local/lib/python3.11/site-packages/usercustomize.py",
        "usr/local/lib/python3.11/dist-packages/sitecustomize.py",
    ):  # fmt: skip
        (root.path / name).parent.mkdir(parents=True, exist_ok=True)
        (root.path / name).write_text(poison)

    said = root.run(
        "cd /usr/lib/python3/dist-packages; export PYTHONPATH=$PWD PYTHONHOME=/usr; "
        "/opt/limpet/minion/current/bin/python3.11 -I -W ignore /tmp/brought.py"
    ).splitlines()

    assert all(word.startswith("/opt/limpet/minion/") for word in said[-1].split()[1:]), said[-1]
    hosts = {Path(line).name.partition(".so")[0] for line in said[:-1]}
    assert hosts <= {
        "ld-linux-x86-64", "libc", "libcrypt", "libdl", "libgcc_s", "libm", "libpthread", "librt",
        "libstdc++", "libz",
    }  # fmt: skip


def test_purge_leaves_the_host_as_it_was(built: Built, new_root: NewRoot) -> None:
    root = new_root()
    names = root.bring(built.minion, built.master)
    before, accounts = root.listing(), [root.text(f"etc/{name}") for name in ("passwd", "group")]

    root.run(f"dpkg -i {names}")
    # What limpet itself and its `setup` leave behind in time.
    root.run(
        "for r in minion master; do echo 'log_level: info' >/etc/limpet/$r.d/50-setup.yaml; done;"
        "mkdir /var/lib/limpet/store /var/lib/limpet-minion/keys /run/limpet /run/limpet-minion;"
        "touch /var/lib/limpet/store/master.db /var/cache/limpet-minion/file;"
        "echo secret >/var/lib/limpet-minion/keys/minion.secret;"
        "cd /opt/limpet/minion/versions; mkdir .new-0.3.0 0.1.0-000000000000"
    )
    root.run("dpkg --purge limpet-minion limpet-master")

    assert root.listing() == before
    assert [root.text(f"etc/{name}") for name in ("passwd", "group")] == accounts
    assert root.run(
        "ls /run; ls /etc/alternatives/limpet /var/lib/dpkg/alternatives/limpet 2>&1 || :"
    )
    assert not (root.path / "run/limpet").exists()


def test_remove_keeps_what_matters_and_a_new_install_finds_it(
    built: Built, new_root: NewRoot
) -> None:
    root = new_root()
    names = root.bring(built.minion)
    root.run(f"dpkg -i {names}; echo '# mine' >>/etc/limpet/minion.yaml")
    root.run("mkdir /var/lib/limpet-minion/keys; echo secret >/var/lib/limpet-minion/keys/a")
    kept = {
        name: told
        for name, told in root.listing().items()
        if name.startswith(("etc/limpet", "var/lib/limpet"))
    }
    group = root.run("getent group limpet")

    root.run("dpkg --remove limpet-minion")
    after = root.listing()
    assert {name: told for name, told in after.items() if name in kept} == kept
    assert [name for name in after if name.startswith("opt/limpet")] == []
    assert not (root.path / "usr/bin/limpet").is_symlink()

    root.run(f"dpkg -i {names}")
    assert root.run("getent group limpet") == group
    assert root.text("etc/limpet/minion.yaml").endswith("# mine\n")
    assert root.text("var/lib/limpet-minion/keys/a") == "secret\n"


def test_the_group_stays_while_one_of_the_two_is_there_and_users_files_stay_for_good(
    built: Built, new_root: NewRoot
) -> None:
    root = new_root()
    root.run(f"dpkg -i {root.bring(built.minion, built.master)}")
    root.run(
        "cd /etc/limpet/minion.d; echo 'log_level: info' >mine.yaml; chgrp limpet mine.yaml;"
        "cd /srv/limpet/states; echo '{}' >top.sls; chgrp limpet top.sls"
    )
    root.run("dpkg --purge limpet-master")
    assert root.run("getent group limpet; getent passwd limpet limpet-enrol || :").count("\n") == 1
    assert root.run("limpet --version; limpet call --local test.ping").endswith("True\n")

    root.run("dpkg --purge limpet-minion")
    assert root.attempt("getent group limpet").returncode == 2
    # Theirs, and no group of a number that somebody else gets next.
    assert root.listing()["srv/limpet/states/top.sls"].split()[2] == "0:0"
    assert root.listing()["etc/limpet/minion.d/mine.yaml"].split()[2] == "0:0"
    assert root.listing()["etc/limpet"].split()[1:3] == ["750", "0:0"]


def test_an_upgrade_keeps_the_files_of_what_runs_and_the_configuration_of_people(
    built: Built, new_root: NewRoot, tmp_path: Path
) -> None:
    def mark(root: Path) -> None:
        (packages_in(root) / "limpet/states/added.py").write_text('"""New."""\n')

    newer = repack(built.minion, tmp_path, f"{built.version}+1", mark)
    root = new_root()
    first, second = (root.bring(file) for file in (built.minion, newer))
    root.run(f"dpkg -i {first}; echo 'id: web1' >/etc/limpet/minion.yaml")

    said = root.run(f"""
        cd /opt/limpet/minion/versions
        cp -al {built.version}-* 0.0.1-000000000001
        cp -al 0.0.1-000000000001 0.0.1-000000000002
        mkfifo /tmp/go
        # A module of an old version, imported when the new one is there.
        echo "open('/tmp/go').read(); import limpet.states.data.lines" >/tmp/late.py
        0.0.1-000000000001/bin/python3.11 -I /tmp/late.py >/tmp/old 2>&1 &
        dpkg -i {second} >/dev/null
        limpet --version; ls
        echo >/tmp/go; wait $!; cat /tmp/old
        dpkg -i {second} >/dev/null
        ls; limpet call --local test.ping
    """).splitlines()

    assert said[0] == f"limpet {built.version}+1"
    assert said[1] == "0.0.1-000000000001"  # it runs
    now, was = said[2:4]  # what ran until now is kept for the way back
    assert was.startswith(f"{built.version}-")
    assert now.startswith(f"{built.version}+1-")
    assert said[4:] == [now, "local:", "    True"]
    assert root.text("etc/limpet/minion.yaml") == "id: web1\n"


def test_a_damaged_file_is_put_right_by_installing_again(built: Built, new_root: NewRoot) -> None:
    root = new_root()
    name = root.bring(built.minion)
    root.run(f"dpkg -i {name}")
    root.run("cd /opt/limpet/minion/current; echo >bin/limpet; rm -r lib/python3.11/encodings")
    assert root.attempt("limpet --version").stdout == ""
    root.run(f"dpkg -i {name}; limpet --version; dpkg --verify limpet-minion")


def test_a_store_of_a_newer_schema_keeps_an_older_master_out(
    built: Built, new_root: NewRoot, tmp_path: Path
) -> None:
    older = repack(built.master, tmp_path, "0.0.9")
    schema = int(field(built.master, "Limpet-Store-Schema"))
    root = new_root()
    name = root.bring(older)
    root.run(f"dpkg -i {root.bring(built.master)}; mkdir -p /var/lib/limpet/store")
    store = root.path / "var/lib/limpet/store/master.db"
    database(store, schema)

    done = root.attempt(f"dpkg -i {name}")
    assert done.returncode != 0
    assert f"/var/lib/limpet/store/master.db has schema {schema}; 0.0.9 reads" in done.stdout
    assert f"mv master.db.before-{schema} master.db" in done.stdout
    said = root.run(
        "dpkg-query -W -f '${db:Status-Abbrev}${Version}\\n' limpet-master; limpet --version"
    )
    assert said == f"ii {built.version}\nlimpet {built.version}\n"

    # The copy that was made before the upgrade is back: the older one may come.
    database(store, schema - 1)
    # But not while nobody knows what the rest of the database says.
    store.with_name("master.db-wal").write_bytes(b"rest")
    assert root.attempt(f"dpkg -i {name}").returncode != 0
    store.with_name("master.db-wal").unlink()
    root.run(f"dpkg -i {name}")
    assert root.run("limpet --version") == "limpet 0.0.9\n"


def test_an_older_package_asks_the_store_itself(
    built: Built, new_root: NewRoot, tmp_path: Path
) -> None:
    root = new_root()
    root.run(f"dpkg -i {root.bring(built.master)}; mkdir -p /var/lib/limpet/store")
    schema = int(field(built.master, "Limpet-Store-Schema"))
    database(root.path / "var/lib/limpet/store/master.db", schema + 1)
    # Not older by its number, but by what it reads: a branch, a rebuilt package.
    newer = repack(built.master, tmp_path, f"{built.version}+1")

    done = root.attempt(f"dpkg -i {root.bring(newer)}")
    assert done.returncode != 0
    assert f"has schema {schema + 1}; {built.version}" in done.stdout
    assert root.run("dpkg-query -W -f '${db:Status-Abbrev}' limpet-master") == "ii "


def database(path: Path, schema: int) -> None:
    """Make a database that says its schema as the master's does."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table something (a)")
        connection.execute(f"pragma user_version = {schema}")


def field(package: Path, name: str) -> str:
    """Give a field of a package's control file."""
    line = ["dpkg-deb", "-f", str(package), name]
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip()
