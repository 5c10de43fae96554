"""The `file` states: what is on the machine's disks, where, whose, and what stands in it."""

from limpet.states.library.file.blockreplace import accumulated, blockreplace
from limpet.states.library.file.caching import cached, not_cached
from limpet.states.library.file.data import decode, serialize
from limpet.states.library.file.directory import directory
from limpet.states.library.file.joining import append, prepend
from limpet.states.library.file.keyvalue import keyvalue
from limpet.states.library.file.line import line
from limpet.states.library.file.links import hardlink, symlink
from limpet.states.library.file.managed import managed
from limpet.states.library.file.moving import copy_, rename
from limpet.states.library.file.nodes import mknod
from limpet.states.library.file.patching import patch
from limpet.states.library.file.presence import absent, exists, missing, touch
from limpet.states.library.file.recurse import recurse
from limpet.states.library.file.replacing import comment, replace, uncomment
from limpet.states.library.file.tidied import tidied

__all__ = [
    "absent",
    "accumulated",
    "append",
    "blockreplace",
    "cached",
    "comment",
    "copy_",
    "decode",
    "directory",
    "exists",
    "hardlink",
    "keyvalue",
    "line",
    "managed",
    "missing",
    "mknod",
    "not_cached",
    "patch",
    "prepend",
    "recurse",
    "rename",
    "replace",
    "serialize",
    "symlink",
    "tidied",
    "touch",
    "uncomment",
]
