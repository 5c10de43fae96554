"""Where metrics may be served, and what is said of a place where they may not."""

from pathlib import Path

import pytest

from limpet.common.errors import SourceError
from limpet.common.settings.loader import load_text
from limpet.common.settings.master import MasterConfiguration
from limpet.common.settings.metrics import metrics_address
from limpet.common.settings.minion import MinionConfiguration


@pytest.mark.parametrize("kind", [MasterConfiguration, MinionConfiguration])
@pytest.mark.parametrize(
    "text, address",
    [
        ("", None),
        ("metrics_listen: 127.0.0.1:9406", ("127.0.0.1", 9406)),
        ("metrics_listen: 127.8.9.1:1", ("127.8.9.1", 1)),
        ("metrics_listen: '[::1]:9406'", ("::1", 9406)),
        ("metrics_listen: 0.0.0.0:9406\nmetrics_public: true", ("0.0.0.0", 9406)),
        ("metrics_listen: '[2001:db8::1]:9406'\nmetrics_public: true", ("2001:db8::1", 9406)),
    ],
)
def test_an_address_with_a_port_is_understood(
    kind: type[MasterConfiguration | MinionConfiguration],
    text: str,
    address: tuple[str, int] | None,
) -> None:
    configuration = load_text(kind, text, "x.yaml", Path())
    assert metrics_address(configuration.metrics_listen) == address


@pytest.mark.parametrize("kind", [MasterConfiguration, MinionConfiguration])
@pytest.mark.parametrize(
    "text, why",
    [
        ("0.0.0.0:9406", "metrics_public: true"),
        ("192.0.2.1:9406", "can be reached from elsewhere"),
        ("'[::]:9406'", "can be reached from elsewhere"),
        ("'[::ffff:192.0.2.1]:9406'", "can be reached from elsewhere"),
        ("localhost:9406", "a numeric address and a port"),
        ("127.0.0.1", "a numeric address and a port"),
        ("127.0.0.1:0", "not a port"),
        ("'::1'", "a numeric address and a port"),
        ("127.0.0.1:99999", "not a port"),
    ],
)
def test_any_other_is_refused_with_its_line(
    kind: type[MasterConfiguration | MinionConfiguration], text: str, why: str
) -> None:
    with pytest.raises(SourceError, match=rf"x\.yaml:2.*{why}"):
        load_text(kind, f"log_level: info\nmetrics_listen: {text}", "x.yaml", Path())
