"""Where metrics are served at present, if they are: opened, closed and moved by configuration."""

from limpet.common.observability.logs import Log
from limpet.common.observability.metrics_server import Address, MetricsServer, shown


class MetricsPort:
    """One server of metrics, or none. All but the telling happens in the loop's thread."""

    def __init__(self, log: Log) -> None:
        self.problem = ""
        """Why the port is not open, for people."""
        self._log = log
        self._server: MetricsServer | None = None

    @property
    def is_wanted(self) -> bool:
        """Say whether pages are to be published."""
        return self._server is not None

    def configure(self, address: Address | None) -> None:
        """Serve there from now on; None: nowhere. The same place again changes nothing."""
        present = None if self._server is None else self._server.address
        if address == present:
            return
        self.close()
        if address is not None:
            self._server = MetricsServer(address, tell=lambda text: self._on_told(address, text))

    def publish(self, page: bytes) -> None:
        """Hand over what is served from now on."""
        if self._server is not None:
            self._server.publish(page)

    def close(self) -> None:
        """Serve no more."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.problem = ""

    def _on_told(self, address: Address, text: str) -> None:
        """Take what the server's thread has to say of its port."""
        self.problem = text
        if text:
            self._log.report("warning", "metrics", text)
        else:
            self._log.info(f"metrics are served at http://{shown(address)}/metrics")
