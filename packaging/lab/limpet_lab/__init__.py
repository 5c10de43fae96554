"""A lab of hosts on one machine: systemd in containers, a network that can be cut, DNS that lies.

`Lab` and `Host` are what tests and people use; packaging/lab/README.md shows how.
"""

from limpet_lab.host import Host
from limpet_lab.lab import Lab, why_not
from limpet_lab.network import Direction
from limpet_lab.running import LabError, Result

__all__ = ["Direction", "Host", "Lab", "LabError", "Result", "why_not"]
