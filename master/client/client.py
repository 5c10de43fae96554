"""The client: one object for everything that a master on this host can be asked."""

from limpet.master.client.fleet_calls import FleetCalls
from limpet.master.client.job_calls import JobCalls
from limpet.master.client.master_calls import MasterCalls


class Client(JobCalls, FleetCalls, MasterCalls):
    """A client of the master on this host.

    Not for use by several threads at once; each may have its own. Its connection is opened by the
    first call and kept. Every call ends: with an answer, or with an error of the family
    `limpet.common.errors.LimpetError` whose `exit_code` is that of the command line.

    If the master goes away in the middle of a call the client asks again, until `patience_s` have
    passed; a job is never made twice by that, and no change is told twice. A master that was never
    reached is given up after `first_patience_s`.
    """
