"""The arguments of `file.managed`."""

from dataclasses import dataclass

from limpet.states.context import Loose


@dataclass(frozen=True, slots=True)
class ManagedOptions:
    """Arguments of `file.managed`."""

    name: str
    source: Loose = None
    source_hash: Loose = ""
    source_hash_name: str | None = None
    """The name to look for in a list of checksums."""
    keep_source: bool = True
    user: Loose = None
    group: Loose = None
    mode: Loose = None
    attrs: Loose = None
    """Attributes of the file system, in the letters of `chattr`."""
    template: str | None = None
    makedirs: bool = False
    dir_mode: Loose = None
    context: Loose = None
    replace: bool = True
    defaults: Loose = None
    backup: Loose = ""
    show_changes: bool = True
    show_diff: bool | None = None
    create: bool = True
    contents: Loose = None
    tmp_dir: str = ""
    tmp_ext: str = ""
    contents_pillar: Loose = None
    contents_grains: Loose = None
    contents_newline: bool = True
    contents_delimiter: str = ":"
    encoding: str | None = None
    encoding_errors: str = "strict"
    allow_empty: bool = True
    follow_symlinks: bool = True
    check_cmd: Loose = None
    skip_verify: bool = False
    selinux: Loose = None
    win_owner: Loose = None
    win_perms: Loose = None
    win_deny_perms: Loose = None
    win_inheritance: Loose = None
    win_perms_reset: Loose = None
    verify_ssl: bool = True
    use_etag: bool = False
    signature: Loose = None
    """Refused, as are the others about signatures: nothing here verifies one."""
    source_hash_sig: Loose = None
    signed_by_any: Loose = None
    signed_by_all: Loose = None
    keyring: Loose = None
    gnupghome: Loose = None
    sig_backend: str = "gpg"
    ignore_ordering: bool = False
    """No effect, as in Salt where the file differs in more than that; nor the two below."""
    ignore_whitespace: bool = False
    ignore_comment_characters: Loose = None
    new_file_diff: bool = False
    """Show all of a new file as added lines."""
