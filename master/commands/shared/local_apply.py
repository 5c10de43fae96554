"""`limpet apply --local`: states applied in this process, watched by who sits at the terminal."""

import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from limpet.common.errors import ExitCode
from limpet.common.identifiers import make_job_id
from limpet.common.terminal.colors import is_terminal
from limpet.common.terminal.forms import json_text, txt_lines, yaml_text
from limpet.common.terminal.highstate import Look, shown_value
from limpet.common.terminal.live import INTERVAL_S, LiveLine
from limpet.common.terminal.session import Session, complain
from limpet.master.commands.shared.progress import Progress, Records
from limpet.master.commands.shared.watching import INTERRUPTED

NAME: Final = "local"


class View:
    """The live view of a run in this process; a thread draws it, so that the time it takes goes on.

    Made only where somebody looks.
    """

    def __init__(self, *, is_output_shown: bool) -> None:
        self._is_output_shown = is_output_shown
        self._live = LiveLine(sys.stderr, is_shown=True)
        self._records = Records()
        self._progress: Progress | None = None
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="view", daemon=True)
        self._thread.start()

    def take(self, data: bytes) -> None:
        """Take live output of the run."""
        with self._lock:
            text, told = self._records.feed(data)
            if told:
                self._progress = told[-1]
            if text and self._is_output_shown:
                self._live.hide()
                sys.stderr.write(text.decode("utf-8", "backslashreplace"))

    def close(self) -> None:
        """Take the view away."""
        self._is_over.set()
        self._thread.join(1.0)
        self._live.hide()

    def _run(self) -> None:
        while not self._is_over.wait(INTERVAL_S):
            now_s = time.monotonic()
            with self._lock:
                if self._progress is not None:
                    self._live.draw(self._progress.line(NAME, now_s), now_s)


def apply_here(
    session: Session,
    function: str,
    positional: list[Any],
    keyword: dict[str, Any],
    *,
    form: str,
    look: Look,
    is_streamed: bool,
) -> int:
    """Run the function of the module `state` and show its value; gives the exit code.

    Cut off by Ctrl-C or SIGTERM it says how to go on.
    """
    from limpet.states.local.call import call_local

    jid = make_job_id(time.time(), random.SystemRandom())
    view = None
    if is_terminal(sys.stderr) and not session.is_quiet:
        view = View(is_output_shown=is_streamed)
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        value, retcode = call_local(
            session.root,
            function,
            positional,
            keyword,
            stream=None if view is None else view.take,
            jid=jid,
        )
    except KeyboardInterrupt:
        _close(view)
        complain(f"interrupted; go on with: {session.command('apply', '--local', '--resume', jid)}")
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)
        _close(view)
    _SHOWN.get(form, _show_text)(session, value, look)
    return int(ExitCode.FAILED if retcode else ExitCode.OK)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _close(view: View | None) -> None:
    if view is not None:
        view.close()


def _show_json(_session: Session, value: object, _look: Look) -> None:
    sys.stdout.write(json_text({NAME: value}) + "\n")


def _show_yaml(_session: Session, value: object, _look: Look) -> None:
    sys.stdout.write(yaml_text({NAME: value}))


def _show_txt(_session: Session, value: object, _look: Look) -> None:
    sys.stdout.writelines(f"{line}\n" for line in txt_lines(NAME, value))


def _show_text(session: Session, value: object, look: Look) -> None:
    sys.stdout.write(session.palette.paint("cyan", f"{NAME}:") + "\n")
    shown = shown_value(NAME, value, session.palette, look=look)
    sys.stdout.writelines(f"{line}\n" for line in shown)


_SHOWN: Final[dict[str, Callable[[Session, object, Look], None]]] = {
    "json": _show_json,
    "yaml": _show_yaml,
    "txt": _show_txt,
}
