"""`archive.*`: packing, unpacking and looking into archives by direct calls.

Compressing is done by the machine's own programs, looking and unpacking zip by Python.
"""

import os.path
from typing import Any, Final

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.git.running import words_of

_LIMIT_S: Final = 3600.0


def list_(
    context: FunctionContext,
    name: str,
    archive_format: str | None = None,
    options: str | None = None,
    strip_components: int | None = None,
    clean: bool = False,
    verbose: bool = False,
    saltenv: str = "base",
    source_hash: str | None = None,
    use_etag: bool = False,
) -> Loose:
    """Give what is in an archive, sorted; with `verbose` by kind.

    CLI Example: limpet run '*' archive.list /path/to/myfile.tar.gz
    """
    from limpet.states.library.archive import contents  # states call functions

    form = archive_format or contents.guess_format(name)
    if form not in ("tar", "zip"):
        raise UsageError(f"archive.list: the format of {name} can't be told; tar and zip are there")
    with contents.opened(_path(context, name, saltenv), "tar" if form == "tar" else "zip") as found:
        members = contents.members(found, strip_components or 0)
    shown = sorted(f"{each.path}/" if each.kind == "directory" else each.path for each in members)
    if not verbose:
        return shown
    tops = {each.path.split("/")[0] for each in members}
    folders = {each.path for each in members if each.kind == "directory"}
    folders |= {each.path.split("/")[0] for each in members if "/" in each.path}
    return {
        "dirs": [each for each in shown if each.endswith("/")],
        "files": sorted(each.path for each in members if each.kind == "file"),
        "links": sorted(each.path for each in members if each.kind == "link"),
        "top_level_dirs": sorted(f"{each}/" for each in tops & folders),
        "top_level_files": sorted(
            each.path for each in members if each.path in tops and each.kind == "file"
        ),
        "top_level_links": sorted(
            each.path for each in members if each.path in tops and each.kind == "link"
        ),
    }


def is_encrypted(
    context: FunctionContext,
    name: str,
    clean: bool = False,
    saltenv: str = "base",
    source_hash: str | None = None,
    use_etag: bool = False,
) -> bool:
    """Say whether a zip archive asks for a password.

    CLI Example: limpet run '*' archive.is_encrypted /path/to/myfile.zip
    """
    import zipfile

    from limpet.states.library.archive import contents  # states call functions

    try:
        return contents.is_encrypted(_path(context, name, saltenv))
    except (zipfile.BadZipFile, OSError) as error:
        raise HostError(f"{name} is not a ZIP file: {error}") from error


def tar(
    context: FunctionContext,
    options: str,
    tarfile: str,
    sources: Loose = None,
    dest: str | None = None,
    cwd: str | None = None,
    template: str | None = None,
    runas: str | None = None,
) -> list[str]:
    """Run tar and give what it prints.

    CLI Example: limpet run '*' archive.tar cjvf /tmp/tarfile.tar.bz2 '/tmp/a,/tmp/b'
    """
    given = words_of(options)
    if given and not given[0].startswith("-"):
        given[0] = f"-{given[0]}"
    words = ["tar", *given, tarfile, *_listed(sources), *(["-C", dest] if dest else [])]
    return _ran(context, words, cwd, runas, template)


def gzip(
    context: FunctionContext,
    sourcefile: str,
    template: str | None = None,
    runas: str | None = None,
    options: str | None = None,
) -> list[str]:
    """Compress a file.

    CLI Example: limpet run '*' archive.gzip /tmp/sourcefile.txt
    """
    return _ran(context, ["gzip", *words_of(options), sourcefile], None, runas, template)


def gunzip(
    context: FunctionContext,
    gzipfile: str,
    template: str | None = None,
    runas: str | None = None,
    options: str | None = None,
) -> list[str]:
    """Decompress a file.

    CLI Example: limpet run '*' archive.gunzip /tmp/sourcefile.txt.gz
    """
    return _ran(context, ["gunzip", *words_of(options), gzipfile], None, runas, template)


def cmd_zip(
    context: FunctionContext,
    zip_file: str,
    sources: Loose,
    template: str | None = None,
    cwd: str | None = None,
    runas: str | None = None,
) -> list[str]:
    """Pack files by the program zip.

    CLI Example: limpet run '*' archive.cmd_zip /tmp/zipfile.zip '/tmp/a,/tmp/b'
    """
    return _ran(context, ["zip", "-r", zip_file, *_listed(sources)], cwd, runas, template)


def zip_(
    context: FunctionContext,
    zip_file: str,
    sources: Loose,
    template: str | None = None,
    cwd: str | None = None,
    runas: str | None = None,
    zip64: bool = False,
) -> list[str]:
    """Pack files and directories; give what was packed.

    CLI Example: limpet run '*' archive.zip /tmp/zipfile.zip '/tmp/a,/tmp/b'
    """
    words = ["zip", "-r", "-q", zip_file, *_listed(sources)]
    _ran(context, words, cwd, runas, template)
    return [str(each) for each in list_(context, zip_file, "zip")]


def cmd_unzip(
    context: FunctionContext,
    zip_file: str,
    dest: str,
    excludes: Loose = None,
    template: str | None = None,
    options: str | None = None,
    runas: str | None = None,
    trim_output: Loose = False,
    password: str | None = None,
) -> list[str]:
    """Unpack by the program unzip, over what is there.

    CLI Example: limpet run '*' archive.cmd_unzip /tmp/zipfile.zip /home/strongbad/
    """
    if password is not None:
        raise UsageError(
            "archive.cmd_unzip: a password would stand in the list of processes; archive.unzip "
            "takes one"
        )
    words = ["unzip", "-o", *words_of(options), zip_file, "-d", dest]
    words += ["-x", *_listed(excludes)] if excludes else []
    return _trimmed(_ran(context, words, None, runas, template), trim_output)


def unzip(
    context: FunctionContext,
    zip_file: str,
    dest: str,
    excludes: Loose = None,
    options: str | None = None,
    template: str | None = None,
    runas: str | None = None,
    trim_output: Loose = False,
    password: str | None = None,
    extract_perms: bool = True,
) -> list[str]:
    """Unpack a zip archive, over what is there; give what came out.

    CLI Example: limpet run '*' archive.unzip /tmp/zipfile.zip /home/strongbad/
    """
    from limpet.states.library.archive import contents  # states call functions

    if excludes or runas or options:
        return cmd_unzip(
            context, zip_file, dest, excludes, template, options, runas, trim_output, password
        )
    with contents.opened(zip_file, "zip") as archive:
        contents.extract(archive, dest, keeps_modes=extract_perms, password=password)
        return _trimmed(contents.names(archive), trim_output)


def _ran(
    context: FunctionContext,
    words: list[str],
    cwd: str | None,
    runas: str | None,
    template: str | None,
) -> list[str]:
    """Run a program and give its lines. Raises `HostError` where it fails."""
    if context.host.commands.which(words[0]) is None:
        raise HostError(f"the program {words[0]} is not installed on this machine")
    answer: dict[str, Any] = context.call(
        "cmd.run_all", words, cwd=cwd, runas=runas, template=template, python_shell=False,
        timeout=_LIMIT_S, ignore_retcode=True,
    )  # fmt: skip
    if answer["retcode"] != 0:
        raise HostError(f"{words[0]} failed: {answer['stderr'] or answer['stdout']}")
    return str(answer["stdout"] or answer["stderr"]).splitlines()


def _path(context: FunctionContext, name: str, saltenv: str) -> str:
    if "://" not in name:
        return os.path.expanduser(name)
    cached = context.call("cp.cache_file", name, saltenv)
    if not cached:
        raise HostError(f"{name} was not found in the environment {saltenv!r}")
    return str(cached)


def _listed(values: Loose) -> list[str]:
    if values is None:
        return []
    return [str(each) for each in values] if isinstance(values, list) else str(values).split(",")


def _trimmed(lines: list[str], trim_output: Loose) -> list[str]:
    if not trim_output:
        return lines
    return lines[: 100 if trim_output is True else int(trim_output)]
