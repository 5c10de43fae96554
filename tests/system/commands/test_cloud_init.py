"""The user-data for cloud-init that ships: its form, and that `limpet` takes what it runs."""

import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from limpet.common.crypto.joinstring import make_token
from limpet.common.transport.sockets import make_keypair
from support.master.fleet import LIMPET

SNIPPET = Path(__file__).parents[3] / "packaging" / "cloud-init" / "limpet-minion.yaml"


def snippet() -> dict[str, Any]:
    text = SNIPPET.read_text()
    assert text.startswith("#cloud-config\n")
    data = yaml.safe_load(text)
    assert isinstance(data, dict)
    return data


@pytest.mark.skipif(shutil.which("cloud-init") is None, reason="cloud-init is not installed")
def test_cloud_inits_own_schema_takes_it() -> None:
    done = subprocess.run(
        ["cloud-init", "schema", "--config-file", str(SNIPPET)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Valid" in done.stdout  # "cloud-config" or "schema", by release


def test_the_join_string_is_for_root_alone_and_in_memory() -> None:
    (written,) = snippet()["write_files"]
    assert written["permissions"] == "0600"
    assert written["owner"] == "root:root"
    assert written["path"].startswith("/run/")
    assert written["content"].startswith("limpet-join-1.")
    assert set(snippet()) == {"write_files", "runcmd"}


def test_what_it_runs_is_what_limpet_takes(tmp_path: Path) -> None:
    (words,) = snippet()["runcmd"]
    (written,) = snippet()["write_files"]
    assert words[0] == "limpet"
    assert all(isinstance(word, str) for word in words)
    assert words[words.index("--join-file") + 1] == written["path"]
    join = tmp_path / "join"
    join.touch(mode=0o600)
    join.write_text(f"{make_token(make_keypair()[0], random.Random(1)).text()}\n")
    root = tmp_path / "root"
    root.mkdir(mode=0o700)
    here = [str(join) if word == written["path"] else word for word in words[1:]]
    done = subprocess.run(
        [LIMPET, "--root", str(root), *here, "--no-start"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "master: master.example.org" in (root / "minion.d/50-setup.yaml").read_text()
