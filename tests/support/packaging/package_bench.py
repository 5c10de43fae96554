"""The `pkg` and `pkgrepo` states on a made-up machine with packages in memory."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from limpet.states.context import FunctionContext
from limpet.states.functions import registry as functions
from limpet.states.library import registry
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome
from support.fakes.host import FakeHost, make_context
from support.fakes.packages import FakePackages
from support.states.state_bench import FakeTree


@dataclass
class PackageBench:
    """States and functions that share one job, one set of packages and one tree."""

    packages: FakePackages
    place: Path = Path("/nowhere")
    tree: FakeTree = field(default_factory=FakeTree)
    grains: dict[str, Any] = field(default_factory=lambda: {"os": "Debian"})
    host: FakeHost = field(default_factory=FakeHost)
    functions: FunctionContext = field(init=False)

    def __post_init__(self) -> None:
        self.host.packages = self.packages
        self.functions = make_context(self.host, root=self.place, grains=self.grains)
        self.functions.is_published = False

    def call(self, called: str, /, *, is_test: bool = False, **arguments: Any) -> Outcome:  # noqa: ANN401
        """Call one state function with the arguments of its chunk."""
        function = registry.find(called)
        assert function is not None
        context = StateContext(functions=self.functions, tree=self.tree, is_test=is_test)
        return registry.call(function, context, {"name": "it", **arguments})

    def ask(self, called: str, /, *positional: Any, **keyword: Any) -> Any:  # noqa: ANN401
        """Call one execution function."""
        return functions.call(called, list(positional), keyword, self.functions)
