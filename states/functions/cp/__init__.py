"""`cp.*`: files of the tree of states, of web servers and of this machine, brought and shown.

The tree is the master's; that of the minion's own configuration where no master is asked
(`--local`, `file_client: local`). What is brought lies in the minion's cache, in Salt's places.
"""

from limpet.states.functions.cp.caching import (
    cache_dest,
    cache_dir,
    cache_file,
    cache_files,
    cache_local_file,
    cache_master,
    is_cached,
    list_minion,
)
from limpet.states.functions.cp.getting import (
    get_dir,
    get_file,
    get_file_str,
    get_template,
    get_url,
)
from limpet.states.functions.cp.listing import (
    envs,
    hash_file,
    list_master,
    list_master_dirs,
    list_master_symlinks,
    list_states,
    stat_file,
)
from limpet.states.functions.cp.pushing import push, push_dir

__all__ = [
    "cache_dest",
    "cache_dir",
    "cache_file",
    "cache_files",
    "cache_local_file",
    "cache_master",
    "envs",
    "get_dir",
    "get_file",
    "get_file_str",
    "get_template",
    "get_url",
    "hash_file",
    "is_cached",
    "list_master",
    "list_master_dirs",
    "list_master_symlinks",
    "list_minion",
    "list_states",
    "push",
    "push_dir",
    "stat_file",
]
