"""A run: low chunks one after another, each when its requisites say so.

The order is the compiler's. The plan says what waits for what, `requisites` whether a state runs,
`single` runs it; here the results are kept and the next step is taken.
"""

import contextlib
import datetime
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from limpet.states.library import registry
from limpet.states.library.context import Chunk, StateContext, tag_of
from limpet.states.runner import listening, requisites, single
from limpet.states.runner.earlier import Earlier
from limpet.states.runner.parallel import ParallelRuns
from limpet.states.runner.plan import Plan, plan
from limpet.states.runner.progress import Nobody, Progress
from limpet.states.runner.requisites import Verdict
from limpet.states.runner.retries import Retry

_NOT_NEEDED: Final = {
    Verdict.NOT_NEEDED_BY_PREREQ: "No changes detected",
    Verdict.NOT_NEEDED_BY_ONFAIL: "State was not run because onfail req did not change",
    Verdict.NOT_NEEDED_BY_ONCHANGES: (
        "State was not run because none of the onchanges reqs changed"
    ),
    Verdict.SKIPPED_BY_ANOTHER: (
        "State was not run because requisites were skipped by another state"
    ),
}
_DEPTH_MAX: Final = 200
"""A chain of states that are only run because others need them is never longer in a real tree."""


class Failhard(Exception):
    """A state with `failhard` has failed: the run ends here."""


@dataclass(slots=True)
class Run:
    """One run. `apply` runs chunks; `results` has what came of them, by tag.

    Not shared between threads. States with `parallel` run in processes that end with the run.
    """

    context: StateContext
    """The context that every state gets, each with its own chunk."""
    is_failhard: bool = False
    """Every state counts as if it had `failhard: True`."""
    progress: Progress = field(default_factory=Nobody)
    refresh: Callable[[bool], None] | None = None
    """Called when grains have been reloaded; with True when pillar is to be as well."""
    parallel_at_most: int = 0
    """How many states run in parallel at once; 0: as many as there are."""
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    previews: dict[str, dict[str, Any]] = field(default_factory=dict)
    earlier: Earlier = field(default_factory=Earlier)
    """What an earlier run that was cut off has done already."""
    _number: int = 0
    _plan: Plan = field(default_factory=lambda: Plan(()))
    _parallel: ParallelRuns = field(default_factory=ParallelRuns)

    def apply(
        self, chunks: Sequence[Chunk], only: Callable[[Chunk], bool] | None = None
    ) -> dict[str, dict[str, Any]]:
        """Run the chunks, in their order; give the results in Salt's shape.

        With `only`, run those that it chooses and what they need.
        """
        self._plan = plan(chunks)
        self._parallel = ParallelRuns(self.parallel_at_most)
        with contextlib.closing(self._parallel):
            chosen = [chunk for chunk in chunks if only is None or only(chunk)]
            self.progress.planned(self._plan.with_needed(chosen) if only else chunks)
            with contextlib.suppress(Failhard):
                self._go_through(chosen)
            self._settle(self._parallel.everything())
            # As in Salt, what has changed is told to its listeners even after a failed `failhard`.
            with contextlib.suppress(Failhard):
                self._listen(chosen)
            self._settle(self._parallel.everything())
        return self.results

    def _go_through(self, chunks: Iterable[Chunk]) -> None:
        pending: dict[str, Chunk] = {}
        for chunk in chunks:
            self._go_on_with(pending)
            self._collect()
            tag = tag_of(chunk)
            if tag in self.results:
                continue
            if self._step(chunk):
                pending[tag] = chunk
            self._check_failhard(chunk)
        while pending:
            self._collect(wait_s=0.05)
            self._go_on_with(pending)

    def _go_on_with(self, pending: dict[str, Chunk]) -> None:
        for tag, chunk in list(pending.items()):
            if tag in self.results or not self._step(chunk):
                del pending[tag]
            self._check_failhard(chunk)

    def _step(self, chunk: Chunk, depth: int = 0) -> bool:
        """Do what is next for a chunk: its preview, or the state. True: it has to wait."""
        tag = tag_of(chunk)
        is_preview = self._plan.is_previewed(tag) and tag not in self.previews
        needs = self._plan.needed(tag, is_preview=is_preview)
        needed = [each for _, each in needs]
        running = [each for each in needed if self._parallel.is_running(each)]
        if running and chunk.get("parallel"):
            return True
        self._settle(running)
        verdict = requisites.judge(needs, self.results, self.previews)
        if verdict is Verdict.WAIT:
            if depth > _DEPTH_MAX:
                self._keep(
                    tag, chunk, single.not_run(chunk, "Recursive requisite found", result=False)
                )
                return False
            for kind, each in needs:
                self._run_needed(kind, each, depth)
            after = requisites.judge(needs, self.results, self.previews)
            if after is Verdict.WAIT:  # what it needs is no chunk of this run, or needs this one
                self._keep(
                    tag, chunk, single.not_run(chunk, "Recursive requisite found", result=False)
                )
                return False
            return self._step(chunk, depth + 1)
        if is_preview:
            self._preview(tag, chunk, verdict, needs)
        else:
            self._act(tag, chunk, verdict, needs)
        return False

    def _run_needed(self, kind: str, tag: str, depth: int) -> None:
        chunk = self._plan.by_tag.get(tag)
        is_there = tag in (self.previews if kind.startswith("prereq") else self.results)
        if chunk is None or is_there:
            return
        for _ in range(2):  # the preview first, where another state has asked for one
            while self._step(chunk, depth + 1):
                self._collect(wait_s=0.05)
            if kind == "prereq" or tag in self.results:
                break
        self._check_failhard(chunk)

    def _preview(
        self, tag: str, chunk: Chunk, verdict: Verdict, needs: Sequence[tuple[str, str]]
    ) -> None:
        """See in test mode whether a state would change, for those that name it as `prereq`."""
        before = self.earlier.result(tag, chunk)
        if before is not None:  # it has changed what it had to: those before it have run for that
            self.previews[tag] = {**before, "result": None if before["changes"] else True}
        elif verdict is Verdict.FAIL:
            self._keep(tag, chunk, self._failed_requisites(chunk, needs))
            self.previews[tag] = self.results[tag]
        elif verdict in _NOT_NEEDED:
            self._keep(tag, chunk, single.not_run(chunk, _NOT_NEEDED[verdict], result=True))
            self.previews[tag] = self.results[tag]
        else:
            found = self._call(chunk, is_test=True)
            if verdict is Verdict.RUN_AND_WATCH and not found["changes"] and found["result"]:
                found.update(changes={"watch": "watch"}, result=None)
            self.previews[tag] = found

    def _act(
        self, tag: str, chunk: Chunk, verdict: Verdict, needs: Sequence[tuple[str, str]]
    ) -> None:
        before = self.earlier.result(tag, chunk)
        if before is not None:
            self._keep(tag, chunk, before)
            return
        if verdict is Verdict.FAIL:
            if tag in self.previews:  # it says what would have changed: nothing did
                self._keep(tag, chunk, {**self.previews[tag], "changes": {}})
            else:
                self._keep(tag, chunk, self._failed_requisites(chunk, needs))
            return
        if verdict in _NOT_NEEDED:
            self._keep(tag, chunk, single.not_run(chunk, _NOT_NEEDED[verdict], result=True))
            return

        def work() -> dict[str, Any]:
            found = self._sequence(chunk, verdict, needs)
            return found if self.context.is_test else self.earlier.doubted(tag, found)

        if chunk.get("parallel"):
            self._keep(tag, chunk, self._beside(tag, chunk, work))
        else:
            self.progress.begins(tag, chunk)
            self._keep(tag, chunk, work())

    def _sequence(
        self, chunk: Chunk, verdict: Verdict, needs: Sequence[tuple[str, str]]
    ) -> dict[str, Any]:
        """Run a state, and `mod_watch` where it has changed nothing itself but is set off."""
        found = self._tried(chunk, lambda: self._call(chunk, self.context.is_test))
        if (
            verdict is Verdict.RUN_AND_WATCH
            and not found["changes"]
            and not found.get("skip_watch")
            and registry.has_mod_watch(str(chunk["state"]))
        ):
            self._number += 1
            watching = {**chunk, "sfun": chunk["fun"], "fun": "mod_watch"}
            watching["__reqs__"] = self._requisite_chunks(needs)
            found = self._tried(chunk, lambda: self._call(watching, self.context.is_test))
        elif verdict is Verdict.RUN_WITHOUT_WATCH:
            found["comment"] += (
                " mod_watch was not run because requisites were skipped by another state"
            )
        return found

    def _beside(self, tag: str, chunk: Chunk, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Start a state beside the others; give what stands for it until its result is there."""

        def quietly() -> dict[str, Any]:
            self.context.functions.stream = _drop
            return work()

        self._parallel.start(tag, quietly, lambda: self.progress.begins(tag, chunk))
        return {
            "name": chunk["name"],
            "changes": {},
            "result": None,
            "comment": "Started in a separate process",
            "__parallel__": True,
        }

    def _call(self, chunk: Chunk, is_test: bool) -> dict[str, Any]:
        """Call a state once, if its conditions want that; give its result with the time it took."""
        system = self.context.host.system
        started_s, began_s = system.now(), time.monotonic()
        prepared = single.prepare(chunk)
        if isinstance(prepared, list):
            return single.wrong(chunk, prepared)
        context = replace(
            self.context,
            is_test=is_test,
            low=chunk,
            lowstate=self._plan.chunks,
            running=self.results,
            saltenv=str(chunk.get("saltenv") or chunk.get("__env__") or "base"),
        )

        def step() -> dict[str, Any]:
            refusal = single.refused(context, prepared)
            found = single.call(context, prepared) if refusal is None else refusal
            return single.checked(context, prepared, found)

        found = single.guarded(chunk, step)
        found["duration"] = round((time.monotonic() - began_s) * 1000, 3)
        found["start_time"] = _time_of_day(started_s)
        return found

    def _tried(self, chunk: Chunk, attempt: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        found = attempt()
        if "retry" not in chunk:
            return found
        retry = Retry.of(chunk["retry"])
        if self.context.is_test:
            comment = f"{found['comment'] or ''}  {retry.announced()}"
            return {**found, "comment": comment}
        comments: list[str] = []
        first, took_ms = found, found.get("duration", 0.0)
        for number in range(1, retry.attempts):
            if found["result"] == retry.until:
                break
            comments.append(
                f'Attempt {number}: Returned a result of "{found["result"]}", with the following '
                f'comment: "{found["comment"]}"'
            )
            system = self.context.host.system
            wait_s = retry.interval + int(system.random() * (retry.splay + 1))
            system.sleep(wait_s)
            self._number += 1
            found = attempt()
            took_ms += wait_s * 1000 + found.get("duration", 0.0)
        if not comments:
            return found
        return {
            **found,
            "comment": "\n".join([*comments, found["comment"] or ""]),
            "duration": round(took_ms, 3),
            "start_time": first.get("start_time", ""),
        }

    def _failed_requisites(self, chunk: Chunk, needs: Sequence[tuple[str, str]]) -> dict[str, Any]:
        failed = [
            self._plan.by_tag[tag]
            for tag in requisites.failures(needs, self.results, self.previews)
        ]
        names = sorted({f"{each.get('__sls__')}.{each['__id__']}" for each in failed})
        comment = f"One or more requisite failed: {', '.join(names)}"
        return single.not_run(chunk, comment, result=False)

    def _requisite_chunks(self, needs: Sequence[tuple[str, str]]) -> dict[str, list[Chunk]]:
        found: dict[str, list[Chunk]] = {}
        for kind, tag in needs:
            found.setdefault(kind, []).append(self._plan.by_tag[tag])
        return found

    def _keep(self, tag: str, chunk: Chunk, found: Mapping[str, Any]) -> None:
        result = single.belongs(found, chunk)
        result.setdefault("duration", 0.0)
        result.setdefault("start_time", _time_of_day(self.context.host.system.now()))
        result["__run_num__"] = self._number
        self._number += 1
        self.results[tag] = result
        if not self._parallel.is_running(tag):
            self._refresh(chunk, result)
            self.progress.ended(tag, result)

    def _refresh(self, chunk: Chunk, result: Mapping[str, Any]) -> None:
        if chunk.get("reload_grains"):
            self.context.functions.forget_grains()
        is_reloading = bool(chunk.get("reload_grains") or chunk.get("reload_pillar"))
        if is_reloading and self.refresh is not None:
            self.refresh(bool(chunk.get("reload_pillar")))
        if result["changes"] and chunk.get("reload_modules"):
            import importlib

            importlib.invalidate_caches()  # what a state has just installed can be imported

    def _collect(self, *, wait_s: float = 0.0) -> None:
        self._take_over(self._parallel.collect(wait_s=wait_s))

    def _settle(self, tags: Iterable[str]) -> None:
        self._take_over(self._parallel.wait(tags))

    def _take_over(self, found: Mapping[str, Mapping[str, Any]]) -> None:
        for tag, result in found.items():
            self.results[tag].update(result)
            self.progress.ended(tag, self.results[tag])

    def _check_failhard(self, chunk: Chunk) -> None:
        if self._fails_hard(chunk):
            raise Failhard

    def _fails_hard(self, chunk: Chunk) -> bool:
        if self.context.is_test or not chunk.get("failhard", self.is_failhard):
            return False
        result = self.results.get(tag_of(chunk))
        return result is not None and result["result"] is False

    def _listen(self, chunks: Sequence[Chunk]) -> None:
        """Call `mod_watch` of the states that listen to a state that has changed something."""
        watchers, unknown = listening.found(chunks, self._plan.chunks, self.results)
        if watchers:
            self._plan = plan(watchers)
            self.progress.planned(watchers)
            with contextlib.suppress(Failhard):
                self._go_through(watchers)
        for module, word in unknown:
            self._keep_unknown(module, word)

    def _keep_unknown(self, module: str, word: str) -> None:
        """Add the failed result that Salt has for a state which is listened to and isn't there."""
        self.results[f"Listen_Error_|-listen_{word}_|-listen_{module}_|-Listen_Error"] = {
            "name": f"listen_{module}:{word}",
            "changes": {},
            "result": False,
            "comment": f"Referenced state {module}: {word} does not exist",
            "duration": 0.0,
            "start_time": _time_of_day(self.context.host.system.now()),
            "__run_num__": self._number,
        }
        self._number += 1


def _time_of_day(wall_s: float) -> str:
    return datetime.datetime.fromtimestamp(wall_s).astimezone().time().isoformat()


def _drop(_output: bytes) -> None:
    """Take the live output of a state that runs beside others: it would mix with theirs."""
