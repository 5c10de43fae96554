"""Whether a name has addresses, and whether a port at an address can be reached; how long it took.

The resolver can't be told to hurry, so it is asked in a thread that is left behind if it is late.
"""

import errno
import os
import socket
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from limpet.common.settings.addresses import is_numeric

RESOLVE_S: Final = 5.0
CONNECT_S: Final = 3.0
ADDRESSES_MAX: Final = 8
"""As many as the minion tries in one round."""

Verdict = Literal["open", "refused", "filtered", "unreachable"]
"""open: TCP connects. refused: the host is there and nobody listens (or a firewall says so).
filtered: no answer at all. unreachable: this host, or a router, knows no way."""

_REASONS: Final = {
    socket.EAI_NONAME: "no such name",
    socket.EAI_AGAIN: "the name servers do not answer",
    socket.EAI_FAIL: "the name servers failed",
    socket.EAI_NODATA: "the name has no address",
}


@dataclass(frozen=True, slots=True)
class Resolved:
    """What came of asking for a name."""

    name: str
    addresses: tuple[str, ...]
    """Numeric, of both families, in the resolver's order."""
    problem: str
    """Why there are none."""
    took_s: float


@dataclass(frozen=True, slots=True)
class Reached:
    """What came of connecting to a port."""

    address: str
    port: int
    verdict: Verdict
    detail: str
    took_s: float

    @property
    def text(self) -> str:
        """One phrase: `192.0.2.1 port 4506 refused`."""
        more = f" ({self.detail})" if self.verdict == "unreachable" else ""
        within = f" in {self.took_s * 1000:.0f} ms" if self.verdict == "open" else ""
        return f"{self.address} port {self.port} {self.verdict}{more}{within}"


def resolve(name: str, limit_s: float = RESOLVE_S) -> Resolved:
    """Look a name up as every program of this host does; a numeric address is its own answer."""
    if is_numeric(name):
        return Resolved(name, (name,), "", 0.0)
    began = time.monotonic()
    answers: list[tuple[tuple[str, ...], str]] = []

    def ask() -> None:
        try:
            found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            answers.append(((), _REASONS.get(error.errno or 0, str(error.strerror or error))))
        except (OSError, UnicodeError) as error:
            answers.append(((), str(error)))
        else:
            unique = dict.fromkeys(str(each[4][0]) for each in found)
            answers.append((tuple(unique)[:ADDRESSES_MAX], "" if unique else "no address"))

    thread = threading.Thread(target=ask, name=f"resolve {name}", daemon=True)
    thread.start()
    thread.join(limit_s)
    took_s = time.monotonic() - began
    addresses, problem = (
        answers[0] if answers else ((), f"the resolver did not answer within {limit_s:g} s")
    )
    return Resolved(name, addresses, problem, took_s)


def connect(address: str, port: int, limit_s: float = CONNECT_S) -> Reached:
    """Open a TCP connection and close it again."""
    began = time.monotonic()
    verdict: Verdict = "open"
    detail = ""
    try:
        with socket.create_connection((address, port), timeout=limit_s):
            pass
    except TimeoutError:
        verdict, detail = "filtered", f"no answer within {limit_s:g} s"
    except OSError as error:
        verdict, detail = _verdict(error), os.strerror(error.errno) if error.errno else str(error)
    return Reached(address, port, verdict, detail, time.monotonic() - began)


def connect_all(
    places: Iterable[tuple[str, int]], limit_s: float = CONNECT_S
) -> tuple[Reached, ...]:
    """Connect to all of them at the same time; the answers are in the order of the questions."""
    wanted = list(dict.fromkeys(places))
    found: dict[tuple[str, int], Reached] = {}

    def ask(place: tuple[str, int]) -> None:
        found[place] = connect(*place, limit_s)

    threads = [threading.Thread(target=ask, args=(place,), daemon=True) for place in wanted]
    for thread in threads:
        thread.start()
    end = time.monotonic() + limit_s + 1.0
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    late = "no answer in time"
    return tuple(found.get(place) or Reached(*place, "filtered", late, limit_s) for place in wanted)


def _verdict(error: OSError) -> Verdict:
    if error.errno == errno.ECONNREFUSED:
        return "refused"
    return "filtered" if error.errno in (errno.ETIMEDOUT, errno.EAGAIN) else "unreachable"
