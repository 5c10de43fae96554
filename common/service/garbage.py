"""How often Python looks for objects that only hold each other.

Looking costs what there is to look at. With its own settings Python looks at everything about as
often as a quarter has been added: while ten thousand minions log in or answer, again and again, a
tenth of a second each time. What a long-lived process keeps is found by counting references; rings
are few (an error with its traceback), so that seldom is often enough.
"""

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
