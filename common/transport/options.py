"""The numbers of the transport, the same on both ends unless said."""

from typing import Final

CURVE_OVERHEAD_BYTES: Final = 33
"""What CURVE adds to a part; libzmq's size limit counts it, ours does not."""
HEARTBEAT_MS: Final = 15_000
HEARTBEAT_TIMEOUT_MS: Final = 45_000
HEARTBEAT_TTL_MS: Final = 60_000
"""ZMTP heartbeats only show that the path lives; the beats of a session decide."""
KEEPALIVE_IDLE_S: Final = 15
KEEPALIVE_PROBES: Final = 3
KEEPALIVE_INTERVAL_S: Final = 5
UNACKNOWLEDGED_MS: Final = 15_000
"""TCP_USER_TIMEOUT: the kernel gives up a connection whose data nobody acknowledges."""
NO_RECONNECT_MS: Final = 3_600_000
"""libzmq's own reconnect is put out of reach: a socket that failed is thrown away."""
BUFFER_BYTES: Final = 128 * 1024
"""SNDBUF: beats are never behind more than this."""
SMALL_BUFFER_BYTES: Final = 8192
"""SNDBUF and RCVBUF of a port that strangers may use."""
SMALL_HIGH_WATER: Final = 8
HIGH_WATER: Final = 100
"""Frames that may wait for one connection, either way."""
MONITOR_HIGH_WATER: Final = 100_000
"""Events that may wait for a loop that does not turn; then libzmq stops accepting until it does."""
DRAIN_PARTS_MAX: Final = 2_000
"""Surplus parts thrown away in one go; the rest waits for the next."""
WAIT_S_MAX: Final = 60.0
"""The longest a poll lasts, whatever was asked for."""
CONTEXT_END_S: Final = 2.0
"""How long the end of a context is waited for."""
REFUSALS_MAX: Final = 1_000
"""Distinct (reason, address) pairs kept until asked for; the rest is counted without address."""
LIBRARY_MIN: Final = (4, 3, 5)
