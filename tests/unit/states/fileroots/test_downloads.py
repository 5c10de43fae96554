"""Files of web servers: fetched once, resumed, verified, and told without secrets."""

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from limpet.common.errors import HostError
from limpet.states.fileroots.downloads import Downloads, Fetching, shown
from limpet.states.fileroots.served.cache import FileCache
from support.fakes.web_server import WebServer

BODY = bytes(range(256)) * 40
DIGEST = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def server() -> Iterator[WebServer]:
    with WebServer({"/dir/f": BODY}) as made:
        yield made


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def downloads(tmp_path: Path, waits: list[float], monkeypatch: pytest.MonkeyPatch) -> Downloads:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    return Downloads(FileCache(tmp_path / "cache"), lambda: 0.0, waits.append)


def read(path: str | None) -> bytes:
    assert path is not None
    return Path(path).read_bytes()


def test_a_file_lies_in_salts_place(
    downloads: Downloads, server: WebServer, tmp_path: Path
) -> None:
    path = downloads.local_copy(f"{server.address}/dir/f", "base")

    host = server.address.removeprefix("http://")
    assert path == f"{tmp_path}/cache/extrn_files/base/{host}/dir/f"
    assert read(path) == BODY
    assert list((tmp_path / "cache/partial").iterdir()) == []


@pytest.mark.parametrize("algorithm", ["sha256", "md5", "sha512"])
def test_a_file_whose_checksum_is_known_is_fetched_once(
    downloads: Downloads, server: WebServer, algorithm: str
) -> None:
    how = Fetching(algorithm, hashlib.new(algorithm, BODY).hexdigest())

    for _ in range(3):
        assert read(downloads.local_copy(f"{server.address}/dir/f", "base", how)) == BODY

    assert server.paths() == ["/dir/f"]


def test_a_file_without_checksum_is_fetched_each_time(
    downloads: Downloads, server: WebServer
) -> None:
    downloads.local_copy(f"{server.address}/dir/f", "base")
    server.files["/dir/f"] = b"new"

    assert read(downloads.local_copy(f"{server.address}/dir/f", "base")) == b"new"


def test_by_its_etag_an_unchanged_file_is_not_sent_again(
    downloads: Downloads, server: WebServer
) -> None:
    how = Fetching(is_by_etag=True)
    address = f"{server.address}/dir/f"

    assert read(downloads.local_copy(address, "base", how)) == BODY
    assert read(downloads.local_copy(address, "base", how)) == BODY
    assert "If-None-Match" in server.requests[1].headers
    server.files["/dir/f"] = b"new"
    assert read(downloads.local_copy(address, "base", how)) == b"new"


@pytest.mark.parametrize("at", [1, 5000, 10_239])
def test_a_broken_connection_goes_on_where_it_stopped(
    downloads: Downloads, server: WebServer, waits: list[float], at: int
) -> None:
    server.break_after = [at]

    assert read(downloads.local_copy(f"{server.address}/dir/f", "base")) == BODY
    assert [each.headers.get("Range") for each in server.requests] == [None, f"bytes={at}-"]
    assert waits == [1.0]


def test_without_ranges_it_begins_again(downloads: Downloads, server: WebServer) -> None:
    server.has_ranges = False
    server.break_after = [5000]

    assert read(downloads.local_copy(f"{server.address}/dir/f", "base")) == BODY


def test_a_file_that_changed_between_two_connections_is_not_mixed(
    downloads: Downloads, server: WebServer
) -> None:
    server.break_after = [5000]
    wait = downloads._wait

    def change(seconds: float) -> None:
        server.files["/dir/f"] = BODY[::-1]
        wait(seconds)

    downloads._wait = change

    assert read(downloads.local_copy(f"{server.address}/dir/f", "base")) == BODY[::-1]


def test_a_connection_that_always_breaks_is_an_error(
    downloads: Downloads, server: WebServer, tmp_path: Path
) -> None:
    server.break_after = [10] * 20

    with pytest.raises(HostError, match=r"the connection broke 5 times, 50 of 10240 bytes"):
        downloads.local_copy(f"{server.address}/dir/f", "base")
    assert list((tmp_path / "cache/partial").iterdir()) == []


def test_a_server_that_dribbles_is_given_up_in_time(tmp_path: Path, server: WebServer) -> None:
    server.stall_s = 20.0
    hours = iter(range(1000))
    downloads = Downloads(FileCache(tmp_path), lambda: next(hours) * 5 * 3600.0, lambda _: None)
    began = time.monotonic()

    with pytest.raises(HostError, match="has not come in 14400 s"):
        downloads.local_copy(f"{server.address}/dir/f", "base")

    assert time.monotonic() - began < 15


def test_what_is_not_there_is_none_and_other_refusals_are_errors(
    downloads: Downloads, server: WebServer
) -> None:
    server.statuses |= {"/broken": 500, "/silent": 405}

    assert downloads.local_copy(f"{server.address}/gone", "base") is None
    with pytest.raises(HostError, match=r"/broken: the server answers 500"):
        downloads.local_copy(f"{server.address}/broken", "base")
    assert downloads.is_there(f"{server.address}/dir/f")
    assert downloads.is_there(f"{server.address}/silent")
    assert not downloads.is_there(f"{server.address}/gone")
    assert not downloads.is_there("http://127.0.0.1:1/x")


def test_no_secret_of_an_address_is_told(downloads: Downloads, server: WebServer) -> None:
    address = server.address.replace("http://", "http://me:s3cret@") + "/gone?token=s3cret"
    server.statuses["/gone?token=s3cret"] = 403

    with pytest.raises(HostError) as caught:
        downloads.local_copy(address, "base")

    assert "s3cret" not in str(caught.value)
    assert str(caught.value).startswith(f"{server.address}/gone?…: the server answers 403")
    assert "s3cret" not in shown(address)


def test_name_and_password_go_to_their_own_server_only(
    downloads: Downloads, server: WebServer
) -> None:
    server.password = "me:p@ss"
    server.redirects["/here"] = "/dir/f"
    with WebServer({"/x": b"theirs"}) as other:
        server.redirects["/away"] = f"{other.address}/x"
        mine = server.address.replace("http://", "http://me:p%40ss@")

        assert read(downloads.local_copy(f"{mine}/here", "base")) == BODY
        assert read(downloads.local_copy(f"{mine}/away", "base")) == b"theirs"
        assert "Authorization" not in other.requests[0].headers


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "/loop"])
def test_redirects_lead_nowhere_odd(downloads: Downloads, server: WebServer, target: str) -> None:
    server.redirects["/loop"] = target

    with pytest.raises(HostError):
        downloads.local_copy(f"{server.address}/loop", "base")


def test_a_proxy_of_the_environment_is_asked(
    downloads: Downloads, server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["http://files.example/f"] = b"by proxy"
    monkeypatch.setenv("http_proxy", server.address)

    assert read(downloads.local_copy("http://files.example/f", "base")) == b"by proxy"


@pytest.mark.parametrize("path", ["/../../etc/passwd", "/a//b", f"/{'x' * 300}", "/", ""])
def test_no_address_leads_out_of_the_cache(
    downloads: Downloads, server: WebServer, tmp_path: Path, path: str
) -> None:
    server.files[path or "/"] = b"x"

    place = downloads.place_of(f"{server.address}{path}", "base")

    assert os.path.normpath(place) == place
    assert place.startswith(f"{tmp_path}/cache/extrn_files/base/")


def test_what_is_kept_can_be_forgotten(downloads: Downloads, server: WebServer) -> None:
    address = f"{server.address}/dir/f"
    how = Fetching("sha256", DIGEST)
    path = downloads.local_copy(address, "base", how)

    downloads.forget(address, "base")

    assert not os.path.exists(str(path))
    downloads.local_copy(address, "base", how)
    assert server.paths() == ["/dir/f", "/dir/f"]
