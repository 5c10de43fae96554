"""Where metrics are served: `metrics_listen`, and `metrics_public` for all but loopback."""

from collections.abc import Iterator

from limpet.common.errors import UsageError
from limpet.common.settings.addresses import host_port, is_numeric
from limpet.common.settings.source import Path as Way


def metrics_address(text: str | None) -> tuple[str, int] | None:
    """Give the numeric host and the port; None: metrics are not served. Raises `UsageError`."""
    if text is None:
        return None
    host, port = host_port(text)
    if not is_numeric(host) or not port:
        raise UsageError(
            f"{text[:80]!a}: write a numeric address and a port, such as 127.0.0.1:9406"
        )
    return host, port


def metrics_faults(text: str | None, *, is_public: bool) -> Iterator[tuple[Way, str]]:
    """Find an address that is none, or that others may reach though nobody said so."""
    try:
        address = metrics_address(text)
    except UsageError as error:
        yield ("metrics_listen",), str(error)
        return
    if address is not None and not is_public and not is_loopback(address[0]):
        yield (
            ("metrics_listen",),
            f"{address[0][:80]!a} can be reached from elsewhere, and anybody there could read the "
            "metrics: use 127.0.0.1, or set `metrics_public: true`",
        )


def is_loopback(host: str) -> bool:
    """Say whether only this host reaches a numeric address."""
    from ipaddress import ip_address

    return ip_address(host.partition("%")[0]).is_loopback
