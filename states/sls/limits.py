"""Limits on rendering: no template, however wrong, takes a process with it.

    from limpet.states.sls import limits

    with limits.rendering("/srv/salt/web/init.sls"):
        ...                       # raises `LimitReached` (a `SourceError`) with file and line

`Renderers` does so around every SLS, pillar file and file template, so whoever renders through it
is limited already: a minion's worker, `limpet call --local`, the master's pillar workers, lint.
What a template calls on the machine (`salt['cmd.run'](…)`) stands in `outside()`: the ceiling on
memory is lifted for it, and of its time only the first second of each call counts. States that run
are not limited at all.

- **Time.** `Limits.seconds` of wall time. When they are over, SIGALRM raises in the code that
  renders, and again every quarter of a second, for code that swallows what is raised.
- **Memory.** `Limits.memory_bytes` of address space above what the process had when it began.
- **Backstop.** Code that two seconds later still goes on ends its process: by `on_hard_end`, by
  default with a line on stderr; or, where it sits in C and lets no Python run, by SIGVTALRM.
- **Breadcrumb.** Whoever watches over the process (the supervisor of a job) shares memory with it
  by `share_breadcrumb()` before the fork, and reads there what was being rendered when it died.

All of it needs the main thread, as signals do; in other threads nothing is limited. Sections nest:
an inner one (an SLS that renders another) shares what is left of the outer one's time.
"""

import contextlib
import gc
import mmap
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any, Final, NoReturn

from limpet.common.errors import ExitCode
from limpet.states.sls.backstop import Backstop
from limpet.states.sls.errors import RenderError
from limpet.states.sls.stacks import line_of, template_place

AGAIN_S: Final = 0.25
"""After this the code that goes on is interrupted again."""
GRACE_S: Final = 1.5
"""After the limit, the time in which the code has to let itself be interrupted."""
COUNTED_S: Final = 1.0
"""What counts of the time of one call that a template makes."""
AFTERWARDS_S: Final = 0.5
"""What a file gets of the time after another one has used up all of it; see `Allowance`."""
_BREADCRUMB_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one rendering may take."""

    seconds: float = 6.0
    memory_bytes: int = 400 * 1024 * 1024
    """Of address space above what there was; with the process itself it stays under 512 MiB."""


DEFAULT: Final = Limits()


class LimitReached(RenderError):
    """Rendering took too long or too much memory; knows what was being rendered."""


class TimeIsUp(BaseException):
    """Raised by the clock inside of what is rendered; becomes `LimitReached` at the section's end.

    It is no `Exception`, so that neither Jinja nor a filter takes it for a template's mistake.
    """


class Allowance:
    """What the files of one compilation may take, one after the other.

    Each has the whole of the limit until one has used it up; those after it get half a second, so
    that a tree of many endless files ends in time too.
    """

    def __init__(self, limits: Limits = DEFAULT) -> None:
        self.limits = limits
        self.is_used_up = False

    @property
    def now(self) -> Limits:
        """The limits of the next file."""
        if not self.is_used_up:
            return self.limits
        return Limits(min(AFTERWARDS_S, self.limits.seconds), self.limits.memory_bytes)


def _say_and_end(told: str) -> NoReturn:
    """End this process at once, with a line on stderr."""
    os.write(2, f"limpet: {told}\n".encode("utf-8", "backslashreplace"))
    os._exit(int(ExitCode.FAILED))


on_hard_end: Callable[[str], NoReturn] = _say_and_end
"""Called where code does not let itself be interrupted; has to end the process. A worker sets one
that reports first."""

_backstop: Final = Backstop()
_breadcrumb: mmap.mmap | None = None
_section: "_Section | None" = None


def share_breadcrumb() -> mmap.mmap:
    """Give memory that this process and those forked from it share; for `read_breadcrumb`."""
    global _breadcrumb
    if _breadcrumb is None:
        _breadcrumb = mmap.mmap(-1, _BREADCRUMB_BYTES)
    return _breadcrumb


def read_breadcrumb(shared: mmap.mmap) -> str:
    """Give what is being rendered now, `path` or `path:line`; empty: nothing."""
    data = shared[:_BREADCRUMB_BYTES]
    return data.partition(b"\0")[0].decode("utf-8", "replace")


def _drop_crumb(path: str) -> None:
    if _breadcrumb is not None:
        data = path.encode("utf-8", "backslashreplace")[: _BREADCRUMB_BYTES - 1]
        _breadcrumb[: len(data) + 1] = data + b"\0"


class rendering:
    """Limit what happens inside of `with`. Raises `LimitReached` with file, and line if known.

    `path` is what is rendered, for messages and for the breadcrumb; `doing` is what happens to it.
    Use it in a plain `with`: inside of a generator's context manager the clock could ring between
    the end of the work and the end of the section.
    """

    __slots__ = ("_doing", "_inner", "_limits", "_path", "_section")

    def __init__(self, path: str, limits: Limits = DEFAULT, doing: str = "rendering") -> None:
        self._doing = doing
        self._path = path
        self._limits = limits
        self._section: _Section | None = None
        self._inner: contextlib.AbstractContextManager[None] | None = None

    def __enter__(self) -> None:
        global _section
        if threading.current_thread() is not threading.main_thread():
            return
        if _section is not None:
            self._inner = _section.inner(self._path)
            self._inner.__enter__()
            return
        self._section = _section = _Section(self._path, self._limits, self._doing)
        self._section.begin()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        global _section
        if self._inner is not None:
            self._inner.__exit__(kind, error, trace)
            return
        section = self._section
        if section is None:
            return
        section.is_running = False  # from here on the clock interrupts nothing
        section.end()
        _section = None
        if isinstance(error, TimeIsUp | MemoryError):
            told = section.out_of(error)
            # The frames hold all that was made; whoever keeps the error must not keep that.
            traceback.clear_frames(error.__traceback__)
            error.__traceback__ = error.__context__ = trace = None
            if isinstance(error, MemoryError):
                gc.collect()  # templates and what they made refer to one another
            raise told from error


@contextlib.contextmanager
def outside() -> Iterator[None]:
    """Stand outside of the limits for a call to the machine, inside of a rendering."""
    section = _section
    if section is None or not section.is_running:
        yield
        return
    began = time.monotonic()
    section.pause()
    try:
        yield
    finally:
        section.resume(began)


def lift_memory() -> None:
    """Let what tells of a `MemoryError` have memory for that; for the rest of the section."""
    if _section is not None:
        _section.lift_memory()


class _Section:
    """One limited stretch of work in the main thread."""

    def __init__(self, path: str, limits: Limits, doing: str) -> None:
        self.path = path
        self._doing = doing
        self._limits = limits
        self._deadline = 0.0
        self._is_armed = False
        self.is_running = False
        self._old_handler: Any = None
        self._old_timer = (0.0, 0.0)
        self._old_memory: tuple[int, int] | None = None
        self._memory_ceiling = 0
        self._began = 0.0
        self._place: tuple[str, int] | None = None

    def begin(self) -> None:
        self._began = time.monotonic()
        self._deadline = self._began + self._limits.seconds
        _drop_crumb(self.path)
        self._old_memory = resource.getrlimit(resource.RLIMIT_AS)
        self._memory_ceiling = _address_space() + self._limits.memory_bytes
        self._old_handler = signal.signal(signal.SIGALRM, self._ring)
        self._is_armed = True
        self._old_timer = signal.setitimer(signal.ITIMER_REAL, self._limits.seconds, AGAIN_S)
        _backstop.set(self._limits.seconds + GRACE_S + AGAIN_S)
        self._limit_memory()
        self.is_running = True

    def end(self) -> None:
        """Give everything back; a second time it does nothing."""
        if not self._is_armed:
            return
        self.is_running = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        _backstop.set(0.0)
        self.lift_memory()
        signal.signal(signal.SIGALRM, self._old_handler or signal.SIG_DFL)
        delay, interval = self._old_timer
        if delay:
            left = max(0.001, delay - (time.monotonic() - self._began))
            signal.setitimer(signal.ITIMER_REAL, left, interval)
        _drop_crumb("")
        self._is_armed = False

    @contextlib.contextmanager
    def inner(self, path: str) -> Iterator[None]:
        """Render something inside of what is rendered: by a call, or by a state of a state."""
        paused = not self.is_running
        outer_path, self.path = self.path, path
        _drop_crumb(path)
        if paused:
            self._go_on()
        try:
            yield
        finally:
            self.path = outer_path
            _drop_crumb(outer_path)
            if paused:
                self.pause()

    def pause(self) -> None:
        self.is_running = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        _backstop.set(0.0)
        self.lift_memory()

    def resume(self, began: float) -> None:
        took = time.monotonic() - began
        self._deadline += max(0.0, took - COUNTED_S)
        self._go_on()

    def _go_on(self) -> None:
        """Go on after a call; raises `TimeIsUp` where the clock had no other chance to."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            if -left > GRACE_S:
                self._end_hard()
            raise TimeIsUp
        self._limit_memory()
        _backstop.set(left + GRACE_S + AGAIN_S)
        self.is_running = True
        signal.setitimer(signal.ITIMER_REAL, left, AGAIN_S)

    def _limit_memory(self) -> None:
        assert self._old_memory is not None
        soft, hard = self._old_memory
        ceiling = self._memory_ceiling
        if soft != resource.RLIM_INFINITY:
            ceiling = min(ceiling, soft)
        resource.setrlimit(resource.RLIMIT_AS, (ceiling, hard))

    def lift_memory(self) -> None:
        if self._old_memory is not None:
            resource.setrlimit(resource.RLIMIT_AS, self._old_memory)

    def _ring(self, _number: int, frame: FrameType | None) -> None:
        """Handle SIGALRM: interrupt, or end what does not let itself be interrupted."""
        over_s = time.monotonic() - self._deadline
        if over_s < 0:
            return
        place = line_of(frame, self.path)
        if self._place is None and place is not None:
            self._place = place
            _drop_crumb(f"{place[0]}:{place[1]}")
        if not self.is_running or (frame is not None and frame.f_code in _OWN_CODES):
            return
        if over_s > GRACE_S:
            self._end_hard()
        raise TimeIsUp

    def _end_hard(self) -> NoReturn:
        self.lift_memory()
        on_hard_end(f"{self.out_of(None)}, and went on when it was interrupted")

    def out_of(self, error: BaseException | None) -> LimitReached:
        """Give the error that tells of the limit that was reached, and where."""
        found = None if error is None else template_place(error, self.path)
        path, line = self._place or found or (self.path, None)
        told = f"{self._doing} did not end within {self._limits.seconds:g} s"
        if isinstance(error, MemoryError):
            mib = self._limits.memory_bytes // 1024**2
            told = f"{self._doing} needs more than {mib} MiB of memory"
        return LimitReached(told, path, line)


_OWN_CODES: Final = frozenset((rendering.__enter__.__code__, rendering.__exit__.__code__))
"""Where nothing may be raised: nobody would end the section."""


def _address_space() -> int:
    """Give the bytes of address space that this process has; 1 GiB where nobody tells."""
    if not sys.platform.startswith("linux"):
        return 1024**3
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[0]) * resource.getpagesize()
