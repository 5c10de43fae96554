"""Drives an installed Salt, in Salt's own Python: a call a line comes in, its seconds go out.

    /path/to/salt/bin/python salt_driver.py CONFIG_DIRECTORY

In goes `[target, function, [arguments], timeout]`, out `[seconds, {minion: answer}]`, as JSON.
"""

import json
import sys
import time
from typing import Any


def main() -> None:
    """Answer until stdin ends."""
    import salt.client  # type: ignore[import-not-found]
    import salt.exceptions  # type: ignore[import-not-found]

    path = f"{sys.argv[1]}/master"
    client: Any = salt.client.LocalClient(c_path=path)
    for line in sys.stdin:
        target, function, arguments, timeout_s = json.loads(line)
        began = time.perf_counter()
        try:
            answers = client.cmd(target, function, arguments, timeout=timeout_s)
        except salt.exceptions.SaltException:  # its master is just starting, and has another key
            answers = {}
            client = salt.client.LocalClient(c_path=path)
        took_s = time.perf_counter() - began
        sys.stdout.write(json.dumps([took_s, answers], default=str) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
