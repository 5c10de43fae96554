"""`limpet.Client`: the Python API to a master on this host, which the command line is built on.

from limpet import Client

with Client() as client:
result = client.run("web*", "cmd.run", "uptime", timeout_s=30)
for minion, answer in result.minions.items():
print(minion, answer.status, answer.value)
"""

from limpet.master.client.client import Client
from limpet.master.client.errors import NoMinionMatched
from limpet.master.client.following import Following
from limpet.master.client.results import JobOutput, JobResult, MinionAnswer

__all__ = ["Client", "Following", "JobOutput", "JobResult", "MinionAnswer", "NoMinionMatched"]
