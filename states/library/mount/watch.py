"""What a mount does when something that it watches has changed: it is mounted again."""

from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed


def mod_watch(
    context: StateContext,
    name: str,
    device: str = "",
    fstype: str = "",
    opts: Loose = "defaults",
    sfun: str | None = None,
    user: str | None = None,
    **_odd: Loose,
) -> Outcome:
    """Mount it again with its options."""
    if sfun != "mounted":
        return Outcome(True, f"Watch not supported in {sfun} at this time")
    if context.is_test:
        return Outcome(None, f"{name} would be remounted")
    told = context.call("mount.remount", name, device, fstype=fstype, opts=opts, user=user)
    if told is not True:
        return failed(f"{name} failed to remount: {told}")
    return Outcome(True, f"{name} remounted", {"mount": True})
