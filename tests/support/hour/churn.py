"""What happens to a fleet in an hour: everything that may leave something behind.

Minions go and come back (a clean end, a kill, a power cut with a new boot id, a stopped process, a
connection that dies in silence or in one direction, a reset), keys come and go, jobs are run,
cancelled, lost, and left by those who asked, files and pillar are asked for and given up.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Final

from limpet.common.control.requests import AskStatus, ListKeys, ListMinions, Request, WatchEvents
from limpet.common.identifiers import MinionId, MinionKey
from limpet.master.store.operations import KeyRow, PutKey, PutToken, TokenRow
from support.hour.master import FleetMaster
from support.hour.minion import FleetMinion
from support.simulator.administrator import Administrator
from support.simulator.network import Network
from support.simulator.operator import Command
from support.simulator.puller import Puller
from support.simulator.truth import Truth
from support.simulator.world import WALL_AT_START_S, World

MINION_FAULTS_EVERY_S: Final = 1200.0
"""How often something befalls one minion, on average."""
FLEET_JOBS_EVERY_S: Final = 300.0
KEYS_EVERY_S: Final = 20.0
NEW_MAX: Final = 8
"""New minions at once; then the oldest one's key is deleted."""
FILES: Final = (("small", 300), ("middle", 100_000), ("large", 700_000))


class Churn:
    """Draws what happens, until it is told to stop."""

    def __init__(
        self, world: World, network: Network, master: FleetMaster, truth: Truth, number: int
    ) -> None:
        self.world = world
        self.network = network
        self.master = master
        self.truth = truth
        self.happened: Counter[str] = Counter()
        self.minions = [self._minion(index) for index in range(number)]
        self.new: list[FleetMinion] = []
        self.retired: list[FleetMinion] = []
        self.deleted: set[str] = set()
        """Keys and names of minions that were retired."""
        self.commands: list[Command] = []
        self.pullers: list[Puller] = []
        self._administrator = Administrator(world, master, truth)
        self._number = number
        self._made = number
        self._until = 0.0
        self._busy: dict[str, float] = {}
        """Whose last fault ends when."""
        self._faults: tuple[tuple[str, Callable[[FleetMinion], float]], ...] = (
            ("a clean end", self._end_cleanly),
            ("a kill", self._kill),
            ("a power cut", self._cut_power),
            ("a stopped process", self._stop),
            ("silence", self._silence),
            ("half a silence", self._half_silence),
            ("a forgotten connection", self._forget),
            ("a reset", self._reset),
        )
        rows = [
            KeyRow(host.key, host.settings.minion_id, "accepted", WALL_AT_START_S, "", "", 0.0)
            for host in self.minions
        ]
        token = TokenRow(
            "tok", b"v" * 32, WALL_AT_START_S + 1e9, 10_000, 0, "*", "root", WALL_AT_START_S
        )
        master.store.apply(1, (PutToken(token), *(PutKey(row) for row in rows)))
        for name, size in FILES:
            master.file_server.put(name, world.chance.randbytes(size))

    def _minion(self, number: int, *, token_id: str = "") -> FleetMinion:
        key = MinionKey(f"5a5a5a5a{number:08x}{'0' * 46}5a")
        name = f"web{number}"
        return FleetMinion(
            self.world,
            self.network,
            self.master,
            self.truth,
            name=name,
            minion_id=MinionId(name),
            key=key,
            token_id=token_id,
        )

    # -- the course of it ---------------------------------------------------------------------

    def begin(self, seconds: float) -> None:
        """Let things happen for so long."""
        self._until = self.world.t + seconds
        self.master.lossy = 0.02
        self._again(MINION_FAULTS_EVERY_S / self._number, self._befall)
        self._again(3.0 if self._number < 1000 else 1.0, self._run_one)
        self._again(4.0 if self._number < 1000 else 1.0, self._pull)
        self._again(FLEET_JOBS_EVERY_S, self._run_all)
        self._again(KEYS_EVERY_S, self._change_keys)
        self._again(10.0, self._look)
        self._again(60.0, self.tidy)
        self.world.later(seconds * 0.15, partial(self._restart_master, 2.0, is_clean=False))
        self.world.later(seconds * 0.3, partial(self._restart_master, 4.0, is_clean=True))

    def end(self) -> None:
        """Bring the fleet back to what it was: the minions of the start, and nobody else."""
        self.master.lossy = 0.0
        for host in list(self.new):
            self._retire(host)

    @property
    def strays(self) -> list[str]:
        """Name the minions of the start that are not READY."""
        return [host.name for host in self.minions if host.ready_at is None]

    def _again(self, every_s: float, act: Callable[[], None]) -> None:
        """Do something again and again, at random times."""

        def turn() -> None:
            if self.world.t < self._until:
                act()
                self.world.later(self.world.chance.expovariate(1.0 / every_s), turn)

        self.world.later(self.world.chance.uniform(0.0, every_s), turn)

    def tidy(self) -> None:
        """Let the simulator itself forget what is over."""
        self.network.forget_closed()
        self.commands = [each for each in self.commands if not each.is_over]
        self.pullers = [each for each in self.pullers if not each.is_over]
        self.truth.told.clear()
        self.truth.runs.clear()
        self.truth.runs_by.clear()

    def _restart_master(self, seconds: float, *, is_clean: bool) -> None:
        self.happened["a restart of the master"] += 1
        if is_clean:
            self.master.stop_and_start(seconds)
        else:
            self.master.restart_after_s = seconds
            self.master.kill()

    # -- minions ------------------------------------------------------------------------------

    def _befall(self) -> None:
        host = self.world.chance.choice(self.minions)
        if self._busy.get(host.name, 0.0) > self.world.t or not host.is_alive:
            return
        name, act = self.world.chance.choice(self._faults)
        self.happened[name] += 1
        self._busy[host.name] = self.world.t + act(host) + 1.0

    def _end_cleanly(self, host: FleetMinion) -> float:
        seconds = self.world.chance.uniform(0.5, 90.0)
        host.stop_and_start(seconds)
        return seconds

    def _kill(self, host: FleetMinion) -> float:
        host.restart_after_s = self.world.chance.uniform(0.2, 40.0)
        if self.world.chance.random() < 0.3:
            host.kill_tree()
        else:
            host.kill()
        return host.restart_after_s

    def _cut_power(self, host: FleetMinion) -> float:
        seconds = self.world.chance.uniform(5.0, 120.0)
        host.power_off(seconds)
        return seconds

    def _stop(self, host: FleetMinion) -> float:
        seconds = self.world.chance.uniform(1.0, 60.0)
        host.suspend(seconds)
        return seconds

    def _silence(self, host: FleetMinion, *, up: bool = True, down: bool = True) -> float:
        seconds = self.world.chance.uniform(2.0, 100.0)
        host.weather.up_is_dropped, host.weather.down_is_dropped = up, down

        def heal() -> None:
            host.weather.up_is_dropped = host.weather.down_is_dropped = False
            self.network.heal(host.weather)

        self.world.later(seconds, heal)
        return seconds

    def _half_silence(self, host: FleetMinion) -> float:
        up = self.world.chance.random() < 0.5
        return self._silence(host, up=up, down=not up)

    def _forget(self, host: FleetMinion) -> float:
        if host.socket.connection is not None:
            host.socket.connection.is_dead = True
        return 0.0

    def _reset(self, host: FleetMinion) -> float:
        if host.socket.connection is not None:
            self.network.reset(host.socket.connection)
        return 0.0

    # -- keys ---------------------------------------------------------------------------------

    def _change_keys(self) -> None:
        if len(self.new) >= NEW_MAX:
            self._retire(self.new[0])
            return
        self.happened["a new minion"] += 1
        is_invited = self.world.chance.random() < 0.4
        host = self._minion(self._made, token_id="tok" if is_invited else "")
        self._made += 1
        self.new.append(host)
        host.boot()
        if not is_invited and self.world.chance.random() < 0.7:
            self.world.later(5.0, partial(self._administrator.change, "accept", host.name))

    def _retire(self, host: FleetMinion) -> None:
        """Delete a key; its host is gone before or afterwards."""
        self.happened["a key deleted"] += 1
        self.new.remove(host)
        self.retired.append(host)
        self.deleted |= {host.key, host.name}
        if self.world.chance.random() < 0.5:  # under way when the key goes: lost, or refused
            self._command(host.name, seconds=20.0, size=10)
        if self.world.chance.random() < 0.3:
            self.world.later(0.1, partial(self._administrator.change, "reject", host.name))
        self.world.later(1.0, partial(self._administrator.change, "delete", host.name))

        def off() -> None:
            host.is_on = False
            host.kill()

        self.world.later(self.world.chance.uniform(0.0, 0.9), off)

    # -- people -------------------------------------------------------------------------------

    def _look(self) -> None:
        """Let somebody look at something, and go away after a while."""
        requests: tuple[Request, ...] = (
            WatchEvents(),
            AskStatus(),
            ListKeys(),
            ListMinions(f"web{self.world.chance.randrange(self._number)}", "glob"),
        )
        client = self.master.connect_client(lambda _reply: None)
        if client is not None:
            self.happened["somebody who looks"] += 1
            self.master.ask(client, self.world.chance.choice(requests))
            self.world.later(self.world.chance.uniform(0.0, 30.0), lambda: self._leave(client))

    def _leave(self, client: int) -> None:
        self.master.leave(client)

    # -- jobs and questions -------------------------------------------------------------------

    def _run_all(self) -> None:
        self.happened["a job of all"] += 1
        self._command("*", seconds=self.world.chance.choice((0.05, 5.0)), size=10)

    def _run_one(self) -> None:
        self.happened["a job of one"] += 1
        chance = self.world.chance
        names = [chance.choice(self.minions).name for _ in range(chance.choice((1, 1, 1, 3)))]
        if self.new and chance.random() < 0.2:
            names.append(chance.choice(self.new).name)
        self._command(
            ",".join(names),
            seconds=chance.choice((0.05, 1.0, 20.0)),
            size=chance.choice((10, 10, 10_000, 40_000, 400_000)),
        )

    def _command(self, target: str, *, seconds: float, size: int) -> None:
        chance, is_one = self.world.chance, target != "*"
        command = Command(
            self.world,
            self.master,
            self.truth,
            target=target,
            function=chance.choice(("cmd.run", "cmd.run", "state.apply", "test.ping")),
            seconds=seconds,
            outcome=chance.choice(("ok", "ok", "failed")),
            size=size,
            ttl_s=chance.choice((None, None, 5.0, 30.0)),
            job_timeout_s=chance.choice((0.0, 0.0, 3.0)),
            batch="" if is_one else chance.choice(("", "10%")),
            is_streamed=is_one and chance.random() < 0.3,
            cancel_after_s=chance.choice((None, None, None, 0.5, 4.0)),
        )
        self.commands.append(command)
        if chance.random() < 0.2:
            self.world.later(chance.uniform(0.0, 3.0), partial(self._vanish, command))

    def _vanish(self, command: Command) -> None:
        """Let whoever follows a job go away in the middle of it."""
        self.happened["a client that vanished"] += 1
        command.is_over = True
        command._leave()

    def _pull(self) -> None:
        chance = self.world.chance
        kind = chance.choice(("file", "file", "pillar", "listing"))
        name = chance.choice(("small", "middle", "large", "none")) if kind == "file" else ""
        self.happened[f"a question for a {kind}"] += 1
        host = chance.choice(self.new if self.new and chance.random() < 0.1 else self.minions)
        puller = Puller(self.world, host, kind, name)
        self.pullers.append(puller)
        puller.begin()
        if chance.random() < 0.3:
            self.happened["a question given up"] += 1
            self.world.later(chance.uniform(0.0, 1.0), puller.end)
