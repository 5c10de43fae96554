"""A person with `limpet keys`: insists until the master has done what was asked for."""

from limpet.common.control.replies import AnyReply, Keys
from limpet.common.control.requests import ChangeKeys, KeyAction
from support.simulator.master_host import MasterHost
from support.simulator.truth import Truth
from support.simulator.world import World

AGAIN_S = 2.0
SOON_S = 0.3


class Administrator:
    """Changes keys. Of several wishes for one minion the newest counts."""

    def __init__(self, world: World, master: MasterHost, truth: Truth) -> None:
        self._world = world
        self._master = master
        self._truth = truth
        self._wishes: dict[str, int] = {}

    def change(self, action: KeyAction, minion: str) -> None:
        """Reject, delete or accept a key, however long that takes."""
        if action != "accept":
            self._truth.keys_changed.add(minion)
        self._wishes[minion] = self._wishes.get(minion, 0) + 1
        self._ask(action, minion, self._wishes[minion])

    def _ask(self, action: KeyAction, minion: str, wish: int) -> None:
        if wish != self._wishes[minion]:
            return
        is_answered: list[bool] = []

        def again(delay_s: float) -> None:
            is_answered.append(True)
            self._world.later(delay_s, lambda: self._ask(action, minion, wish))

        def on_reply(reply: AnyReply | None) -> None:
            if is_answered:
                return
            if reply is None:
                again(SOON_S)
                return
            if client is not None:
                self._master.leave(client)
            is_done = isinstance(reply, Keys) and bool(reply.keys)
            if is_done:
                is_answered.append(True)
                self._world.note("admin", f"{action} {minion}: done")
                if action == "accept":
                    self._truth.prolong(minion, self._world.t)
            elif action == "accept":  # a key that was deleted is there again when it asks again
                again(AGAIN_S)
            else:
                is_answered.append(True)

        client = self._master.connect_client(on_reply)
        if client is None:
            again(SOON_S)
        else:
            self._master.ask(client, ChangeKeys(action, (minion,), False, False))
