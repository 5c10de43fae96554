"""`pkg.*`: packages of this machine by its own package manager (apt, or dnf and yum)."""

from limpet.states.functions.pkg.holding import (
    get_selections,
    hold,
    list_holds,
    set_selections,
    unhold,
)
from limpet.states.functions.pkg.installing import (
    autoremove,
    group_install,
    install,
    purge,
    refresh_db,
    remove,
    upgrade,
)
from limpet.states.functions.pkg.looking import (
    available_version,
    file_dict,
    file_list,
    group_info,
    group_list,
    info_installed,
    latest_version,
    list_downloaded,
    list_pkgs,
    list_repo_pkgs,
    list_upgrades,
    normalize_name,
    owner,
    parse_arch,
    show,
    upgrade_available,
    version,
    version_cmp,
    which,
)
from limpet.states.functions.pkg.repositories import (
    add_repo_key,
    del_repo,
    del_repo_key,
    get_repo,
    get_repo_keys,
    list_repo_keys,
    list_repos,
    mod_repo,
)

__all__ = [
    "add_repo_key", "del_repo", "del_repo_key", "get_repo", "get_repo_keys", "list_repo_keys",
    "list_repos", "mod_repo",
    "autoremove", "available_version", "file_dict", "file_list", "get_selections", "group_info",
    "group_install", "group_list", "hold", "info_installed", "install", "latest_version",
    "list_downloaded", "list_holds", "list_pkgs", "list_repo_pkgs", "list_upgrades",
    "normalize_name", "owner", "parse_arch", "purge", "refresh_db", "remove", "set_selections",
    "show", "unhold", "upgrade", "upgrade_available", "version", "version_cmp", "which",
]  # fmt: skip
