"""Changes to a repository and its working tree that need no other machine."""

from limpet.common.errors import UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.git.running import REMOTE_S, Access, run, words_of


def init(
    context: FunctionContext,
    cwd: str,
    bare: bool = False,
    template: str | None = None,
    separate_git_dir: str | None = None,
    shared: Loose = None,
    opts: str = "",
    git_opts: str = "",
    user: str | None = None,
    **_odd: Loose,
) -> str:
    """Make an empty repository.

    CLI Example: limpet run web1 git.init /srv/repositories/app.git bare=True
    """
    words = [*words_of(git_opts), "init"]
    words += ["--bare"] if bare else []
    words += [f"--template={template}"] if template is not None else []
    words += [f"--separate-git-dir={separate_git_dir}"] if separate_git_dir is not None else []
    if shared is True:
        words.append("--shared")
    elif shared:
        words.append(f"--shared={f'0{shared}' if str(shared).isdigit() else shared}")
    words += [*words_of(opts), "--", cwd]
    return str(run(context, words, cwd=None, user=user)["stdout"])


def add(
    context: FunctionContext,
    cwd: str,
    filename: str,
    opts: str = "",
    git_opts: str = "",
    user: str | None = None,
    **_odd: Loose,
) -> str:
    """Take files up for the next commit.

    CLI Example: limpet run web1 git.add /srv/app foo/bar.py
    """
    words = [*words_of(git_opts), "add", "--verbose", *words_of(opts), "--", filename]
    return str(run(context, words, cwd=cwd, user=user)["stdout"])


def rm(
    context: FunctionContext,
    cwd: str,
    filename: str,
    opts: str = "",
    git_opts: str = "",
    user: str | None = None,
    **_odd: Loose,
) -> str:
    """Remove a file, from the next commit too.

    CLI Example: limpet run web1 git.rm /srv/app foo/bar.py
    """
    words = [*words_of(git_opts), "rm", *words_of(opts), "--", filename]
    return str(run(context, words, cwd=cwd, user=user)["stdout"])


def commit(
    context: FunctionContext,
    cwd: str,
    message: str,
    opts: str = "",
    git_opts: str = "",
    user: str | None = None,
    filename: str | None = None,
    **_odd: Loose,
) -> str:
    """Commit what was taken up, or one file.

    CLI Example: limpet run web1 git.commit /srv/app 'The commit message'
    """
    words = [*words_of(git_opts), "commit", "-m", message, *words_of(opts)]
    words += ["--", filename] if filename else []
    return str(run(context, words, cwd=cwd, user=user)["stdout"])


def checkout(
    context: FunctionContext,
    cwd: str,
    rev: Loose = None,
    force: bool = False,
    opts: str = "",
    git_opts: str = "",
    user: str | None = None,
    **_odd: Loose,
) -> str:
    """Check a revision out; with `force` over what was changed.

    CLI Example: limpet run web1 git.checkout /srv/app main
    """
    options = words_of(opts)
    if rev is None and not {"-b", "-B"}.intersection(options):
        raise UsageError("git.checkout: 'rev' argument is required unless -b or -B is in 'opts'")
    words = [*words_of(git_opts), "checkout", *(["--force"] if force else []), *options]
    words += [] if rev is None else [str(rev)]
    answer = run(context, words, cwd=cwd, user=user)
    return str(answer["stderr"] or answer["stdout"])  # git says it there


def branch(
    context: FunctionContext,
    cwd: str,
    name: str | None = None,
    opts: str = "",
    git_opts: str = "",
    user: str | None = None,
    **_odd: Loose,
) -> bool:
    """Make a branch, or do with one what `opts` say.

    CLI Example: limpet run web1 git.branch /srv/app mybranch opts='--set-upstream-to=origin/main'
    """
    words = [*words_of(git_opts), "branch", *words_of(opts), *([] if name is None else [name])]
    run(context, words, cwd=cwd, user=user)
    return True


def tag(
    context: FunctionContext,
    cwd: str,
    name: str,
    ref: Loose = "HEAD",
    message: str | None = None,
    opts: str = "",
    git_opts: str = "",
    user: str | None = None,
    **_odd: Loose,
) -> str:
    """Make a tag, or do with one what `opts` say.

    CLI Example: limpet run web1 git.tag /srv/app v1.2
    """
    words = [*words_of(git_opts), "tag", *words_of(opts)]
    words += ["-m", message] if message else []
    words += [name]
    words += [] if {"-d", "--delete"}.intersection(words_of(opts)) else [str(ref)]
    return str(run(context, words, cwd=cwd, user=user)["stdout"])


def merge(
    context: FunctionContext,
    cwd: str,
    rev: Loose = None,
    opts: str = "",
    git_opts: str = "",
    user: str | None = None,
    **_odd: Loose,
) -> str:
    """Merge a revision into what is checked out; that of the branch's own remote by default.

    CLI Example: limpet run web1 git.merge /srv/app upstream/main
    """
    words = [*words_of(git_opts), "merge", *words_of(opts), *([str(rev)] if rev else [])]
    return str(run(context, words, cwd=cwd, user=user)["stdout"])


def reset(
    context: FunctionContext,
    cwd: str,
    opts: str = "",
    git_opts: str = "",
    user: str | None = None,
    **_odd: Loose,
) -> str:
    """Reset what is checked out, as `opts` say.

    CLI Example: limpet run web1 git.reset /srv/app opts='--hard origin/main'
    """
    words = [*words_of(git_opts), "reset", *words_of(opts)]
    return str(run(context, words, cwd=cwd, user=user)["stdout"])


def stash(
    context: FunctionContext,
    cwd: str,
    action: str = "save",
    opts: str = "",
    git_opts: str = "",
    user: str | None = None,
    **_odd: Loose,
) -> str:
    """Lay changes aside, or do with them what `action` says.

    CLI Example: limpet run web1 git.stash /srv/app pop
    """
    words = [*words_of(git_opts), "stash", action, *words_of(opts)]
    return str(run(context, words, cwd=cwd, user=user)["stdout"])


def discard_local_changes(
    context: FunctionContext,
    cwd: str,
    path: str = ".",
    user: str | None = None,
    **_odd: Loose,
) -> str:
    """Throw away what was changed below a path and not committed.

    CLI Example: limpet run web1 git.discard_local_changes /srv/app
    """
    return str(run(context, ["checkout", "--", path], cwd=cwd, user=user)["stdout"])


def symbolic_ref(
    context: FunctionContext,
    cwd: str,
    ref: str,
    value: str | None = None,
    opts: str = "",
    git_opts: str = "",
    user: str | None = None,
    **_odd: Loose,
) -> str:
    """Give what a symbolic reference points at, or let it point elsewhere.

    CLI Example: limpet run web1 git.symbolic_ref /srv/app HEAD
    """
    options = words_of(opts)
    if value is not None and {"-d", "--delete"}.intersection(options):
        raise UsageError("git.symbolic_ref: a value can't be set for a reference that is deleted")
    words = [*words_of(git_opts), "symbolic-ref", *options, ref]
    words += [] if value is None else [value]
    return str(run(context, words, cwd=cwd, user=user)["stdout"])


def submodule(
    context: FunctionContext,
    cwd: str,
    command: str,
    opts: str = "",
    git_opts: str = "",
    user: str | None = None,
    identity: Loose = None,
    saltenv: str = "base",
    https_user: str | None = None,
    https_pass: str | None = None,
    init: bool = False,
    **_odd: Loose,
) -> str:
    """Do something with the submodules: `update`, `status` and the like.

    CLI Example: limpet run web1 git.submodule /srv/app update opts='--init --recursive'
    """
    words = [*words_of(git_opts), "submodule", *words_of(command)]
    words += ["--init"] if init else []
    words += words_of(opts)
    access = Access(identity, https_user, https_pass, saltenv)
    answer = run(context, words, cwd=cwd, user=user, access=access, limit_s=REMOTE_S)
    return str(answer["stdout"])
