"""How often Python looks for objects that only hold each other, and what the kernel is given back.

Looking costs what there is to look at. With its own settings Python looks at everything about as
often as a quarter has been added: while ten thousand minions log in or answer, again and again, a
tenth of a second each time. What a long-lived process keeps is found by counting references; rings
are few (an error with its traceback), so that seldom is often enough.
"""

import contextlib
import gc
from typing import Final

YOUNG: Final = 20_000
"""Objects made, less those dropped, until the youngest are looked at."""
LOOKS: Final = 20
"""Looks at the youngest before the next age is looked at, and of those before all are."""


def settle() -> None:
    """Call what is there now lasting, never to be looked at again, and look seldom from now on."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, LOOKS, LOOKS)


def give_back() -> None:
    """Give the kernel the pages that C's allocator has free, wherever they lie.

    By itself it gives back only what is free at the end of all. 4 ms where two thousand
    connections live.
    """
    import ctypes  # 0.25 MB: of no use to a small fleet

    # Other allocators than glibc's have no such function, and may be better at this.
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
