"""Merging nested mappings, the later one winning; lists are replaced or joined."""

import copy
from collections.abc import Mapping
from typing import Any


def merge(
    under: Mapping[Any, Any], over: Mapping[Any, Any], *, is_joining_lists: bool = False
) -> dict[Any, Any]:
    """Give a new mapping with all keys of both; mappings that meet are merged in turn."""
    found = copy.deepcopy(dict(under))
    for key, value in over.items():
        present = found.get(key)
        if isinstance(present, Mapping) and isinstance(value, Mapping):
            found[key] = merge(present, value, is_joining_lists=is_joining_lists)
        elif is_joining_lists and isinstance(present, list) and isinstance(value, list):
            found[key] = present + [each for each in value if each not in present]
        else:
            found[key] = copy.deepcopy(value)
    return found
