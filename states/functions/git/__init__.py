"""`git.*`: repositories on this machine and those they come from, by the program git.

Nothing here asks a person or waits without a limit; secrets stand in no argument (`running`).
"""

from limpet.states.functions.git.changing import (
    add,
    branch,
    checkout,
    commit,
    discard_local_changes,
    init,
    merge,
    reset,
    rm,
    stash,
    submodule,
    symbolic_ref,
    tag,
)
from limpet.states.functions.git.configuration import (
    config_get,
    config_get_regex,
    config_get_regexp,
    config_set,
    config_unset,
)
from limpet.states.functions.git.looking import (
    current_branch,
    describe,
    diff,
    is_worktree,
    list_branches,
    list_tags,
    merge_base,
    rev_parse,
    revision,
    status,
    version,
)
from limpet.states.functions.git.remote import (
    clone,
    fetch,
    ls_remote,
    pull,
    push,
    remote_get,
    remote_refs,
    remote_set,
    remotes,
)

__all__ = [
    "add", "branch", "checkout", "clone", "commit", "config_get", "config_get_regex",
    "config_get_regexp", "config_set", "config_unset", "current_branch", "describe", "diff",
    "discard_local_changes", "fetch", "init", "is_worktree", "list_branches", "list_tags",
    "ls_remote", "merge", "merge_base", "pull", "push", "remote_get", "remote_refs", "remote_set",
    "remotes", "reset", "rev_parse", "revision", "rm", "stash", "status", "submodule",
    "symbolic_ref", "tag", "version",
]  # fmt: skip
