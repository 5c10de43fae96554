"""The arguments that every state takes and the compiler reads: requisites and their kin."""

from typing import Final

REQUISITES: Final = (
    "onfail",
    "onfail_any",
    "onfail_all",
    "require",
    "require_any",
    "onchanges",
    "onchanges_any",
    "watch",
    "watch_any",
    "prereq",
    "prerequired",
    "listen",
)
"""In the order of their weight: where several lead to one state, the later ones place it."""

WEIGHTS: Final = {name: place for place, name in enumerate(REQUISITES)}

IN_REQUISITES: Final = frozenset(
    ("require_in", "watch_in", "onfail_in", "onchanges_in", "use", "use_in", "prereq_in")
)
"""Those that are written at one state and act on another. (`listen_in` is the runner's.)"""

NOT_USED: Final = IN_REQUISITES | {
    "require",
    "watch",
    "prereq",
    "onfail",
    "onfail_stop",
    "onchanges",
    "name",
    "names",
}
"""What `use` does not hand over."""

LISTED: Final = frozenset((*REQUISITES, "onfail_stop"))
"""Arguments that must be lists, and that `extend` adds to."""
