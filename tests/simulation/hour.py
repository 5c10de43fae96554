"""One simulated hour of a fleet with churn: what both sides hold before and after it, as JSON.

python tests/simulation/hour.py --minions 10000

Exits with 1 if anything but a memory within its bound is not as it was. 10,000 minions take some
ten minutes on one core.
"""

import argparse
import json
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.hour.fleet import Fleet


def main() -> int:
    """Play the hour and print what it came to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minions", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    hour = Fleet(options.minions, seed=options.seed).play(options.seconds)
    told = {
        "minions": hour.minions,
        "seconds": hour.seconds,
        "counts": hour.headlines,
        "classes": len(hour.after),
        "objects": [sum(hour.before.values()), sum(hour.after.values())],
        "differences": hour.differences,
        "stray": hour.stray,
        "gone": hour.gone,
        "memories": hour.memories,
        "happened": hour.happened,
        "ended": hour.ended,
        "not_ready": hour.missing,
        "trouble": hour.trouble,
        "steps": hour.steps,
        "cpu_s": hour.cpu_s,
        "rss_bytes_max": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    print(json.dumps(told, indent=2))
    return 1 if hour.differences or hour.stray or hour.gone or hour.missing else 0


if __name__ == "__main__":
    sys.exit(main())
