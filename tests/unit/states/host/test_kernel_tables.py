"""Routes and sockets are read from the kernel's tables as it writes them."""

from pathlib import Path

from limpet.states.host import routes, sockets
from limpet.states.ports.machine import Route


def test_routes_of_both_families(tmp_path: Path) -> None:
    (tmp_path / "route").write_text(
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
        "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        "eth1\t00000000\t00000000\t0000\t0\t0\t0\t00000000\t0\t0\t0\n"
        "cut off\n"
    )
    (tmp_path / "ipv6_route").write_text(
        f"{'0' * 32} 00 {'0' * 32} 00 fd{'0' * 29}1 00000400 00000001 00000000 00000003 eth0\n"
        f"fd{'0' * 29}2 80 {'0' * 32} 00 {'0' * 32} 00000000 00000001 00000000 80200001 eth0\n"
        f"{'0' * 32} 00 {'0' * 32} 00 {'0' * 32} ffffffff 00000001 00000000 00200200 lo\n"
    )
    assert routes.read_all(tmp_path) == [
        Route("inet", "0.0.0.0/0", "192.0.2.1", "eth0", "UG", 100),
        Route("inet", "192.0.2.0/24", "", "eth0", "U", 0),
        Route("inet6", "::/0", "fd00::1", "eth0", "UG", 1024),
        Route("inet6", "fd00::2/128", "", "eth0", "Un", 0),
        Route("inet6", "::/0", "", "lo", "!n", 4294967295),
    ]


def test_a_machine_without_the_tables_has_no_routes(tmp_path: Path) -> None:
    assert routes.read_all(tmp_path) == []


def test_sockets_are_read_with_their_owners(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
        "   0: 0100007F:0016 00000000:0000 0A 00000002:00000001 00:00000000 00000000"
        "     0        0 77 1 0 100 0 0 10 0\n"
        "torn\n"
    )
    (tmp_path / "net" / "udp6").write_text(
        "header\n"
        "  5: 000000FD000000000000000001000000:0035 00000000000000000000000000000000:0000 07"
        " 00000000:00000000 00:00000000 00000000 33 0 78 2 0 0\n"
    )
    process = tmp_path / "42"
    (process / "fd").mkdir(parents=True)
    (process / "comm").write_text("sshd\n")
    (process / "fd" / "3").symlink_to("socket:[77]")
    (process / "fd" / "4").symlink_to("/dev/null")
    tcp, udp = sockets.read_all(tmp_path)
    assert (tcp.local_address, tcp.local_port, tcp.state) == ("127.0.0.1", 22, "LISTEN")
    assert (tcp.pid, tcp.program, tcp.send_queue, tcp.receive_queue) == (42, "sshd", 2, 1)
    assert (udp.protocol, udp.local_port, udp.uid, udp.pid) == ("udp6", 53, 33, 0)
