"""limpet: configuration management with one master and many minions that never get stuck."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from limpet.master.client import Client

__all__ = ["Client", "__version__"]
__version__ = "0.2.0"


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Load `limpet.Client` when it is first asked for, so that a minion never pays for it."""
    if name == "Client":
        # By name: the package itself depends on none of its rooms.
        return getattr(import_module("limpet.master.client"), name)
    raise AttributeError(name)
