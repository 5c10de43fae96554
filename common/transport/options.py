"""The numbers of the transport, and the socket options of both ends as tables of names and values.

Everything in a table must stand before bind or connect; libzmq takes it later without effect.
"""

import math
from typing import Final

CURVE_OVERHEAD_BYTES: Final = 33
"""What CURVE adds to a part; libzmq's size limit counts it, ours does not."""
HIGH_WATER: Final = 100
"""Frames that may wait for one connection, either way."""
MONITOR_HIGH_WATER: Final = 100_000
"""Events that may wait for a loop that does not turn; then libzmq stops accepting until it does."""
DRAIN_PARTS_MAX: Final = 2_000
"""Surplus parts thrown away in one go; the rest waits for the next."""
REQUESTS_MAX: Final = 1_000
"""Handshakes answered in one go."""
WAIT_S_MAX: Final = 60.0
"""The longest a poll lasts, whatever was asked for."""
CONTEXT_END_S: Final = 2.0
"""How long the end of a context is waited for."""
_NO_RECONNECT_MS: Final = 3_600_000
_BUFFER_BYTES: Final = 128 * 1024
_SMALL_BUFFER_BYTES: Final = 8192

Options = dict[str, int | bytes]


def _common(*, frame_bytes_max: int, handshake_s: float, high_water: int) -> Options:
    return {
        "LINGER": 0,
        "RCVTIMEO": 0,
        "SNDTIMEO": 0,
        "HANDSHAKE_IVL": milliseconds(handshake_s),
        # ZMTP heartbeats show no more than TCP keepalive does; the beats of a session decide. And
        # libzmq 4.3.5 ends the process if one falls due on a connection that failed half-read.
        "HEARTBEAT_IVL": 0,
        "RCVHWM": high_water,
        "SNDHWM": high_water,
        "MAXMSGSIZE": frame_bytes_max + CURVE_OVERHEAD_BYTES,
        "TCP_KEEPALIVE": 1,
        "TCP_KEEPALIVE_IDLE": 15,
        "TCP_KEEPALIVE_CNT": 3,
        "TCP_KEEPALIVE_INTVL": 5,
        # The kernel gives up a connection whose data nobody acknowledges for so long.
        "TCP_MAXRT": 15_000,
        # Beats are never behind more than this.
        "SNDBUF": _BUFFER_BYTES,
    }


def dealer(
    *,
    frame_bytes_max: int,
    handshake_s: float,
    high_water: int,
    address: str,
    server_key: bytes,
    public_key: bytes,
    secret_key: bytes,
) -> Options:
    """Give the options of the end that connects."""
    assert len(server_key) == len(public_key) == len(secret_key) == 32
    table = _common(frame_bytes_max=frame_bytes_max, handshake_s=handshake_s, high_water=high_water)
    return table | {
        "CURVE_SERVERKEY": server_key,
        "CURVE_PUBLICKEY": public_key,
        "CURVE_SECRETKEY": secret_key,
        "IMMEDIATE": 1,  # nothing is queued for a connection that does not stand
        "CONNECT_TIMEOUT": milliseconds(handshake_s),
        # libzmq's own reconnect is put out of reach: a socket that failed is thrown away.
        "RECONNECT_IVL": _NO_RECONNECT_MS,
        "RECONNECT_IVL_MAX": 0,
        "IPV6": int(":" in address),
    }


def router(
    *,
    frame_bytes_max: int,
    handshake_s: float,
    high_water: int,
    secret_key: bytes,
    domain: str,
    backlog: int,
    small_buffers: bool,
) -> Options:
    """Give the options of the end that listens; small buffers are for the enrolment port."""
    assert domain
    assert len(secret_key) == 32
    table = _common(frame_bytes_max=frame_bytes_max, handshake_s=handshake_s, high_water=high_water)
    table |= {
        "CURVE_SERVER": 1,
        "CURVE_SECRETKEY": secret_key,
        # Without a domain, or without insisting on it, libzmq lets everybody in.
        "ZAP_DOMAIN": domain.encode("ascii"),
        "ZAP_ENFORCE_DOMAIN": 1,
        # A frame for a peer that is gone or full is an error, not a silent loss.
        "ROUTER_MANDATORY": 1,
        "ROUTER_HANDOVER": 0,
        "BACKLOG": backlog,
    }
    if small_buffers:
        table |= {"SNDBUF": _SMALL_BUFFER_BYTES, "RCVBUF": _SMALL_BUFFER_BYTES}
    return table


def milliseconds(seconds: float) -> int:
    """Turn the seconds of an option into its milliseconds; never 0, which would mean for ever."""
    assert 0 < seconds < 3600
    return max(1, round(seconds * 1000))


def poll_milliseconds(seconds: float) -> int:
    """Turn a wait into milliseconds: bounded, and rounded up.

    Rounded down, the last fraction of a millisecond would be spent in a busy loop.
    """
    assert not math.isnan(seconds)
    return math.ceil(min(max(seconds, 0.0), WAIT_S_MAX) * 1000)
