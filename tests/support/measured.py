"""Runs a command and writes what it took: `python -m support.measured FILE COMMAND…`.

A process of its own, because the kernel counts what the parent had when it forked as the child's.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    began = time.monotonic()
    process = subprocess.Popen(sys.argv[2:])
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    figures = {
        "code": process.returncode,
        "took_s": time.monotonic() - began,
        "memory_bytes": used.ru_maxrss * 1024,
    }
    Path(sys.argv[1]).write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
