"""What the store's writer tells of itself."""

from dataclasses import dataclass


@dataclass(slots=True)
class WriterFigures:
    """Gauges of the writer; read by another thread, each value by itself true."""

    commits: int = 0
    batches: int = 0
    all_commits_s: float = 0.0
    last_commit_s: float = 0.0
    slowest_commit_s: float = 0.0
    vacuumed_pages: int = 0
    dropped_rows: int = 0
    is_log_long: bool = False
    is_cut_tried: bool = False
    """The log is being cut: readers should begin nothing until that is over."""
    under_way_since_s: float | None = None
    """On CLOCK_BOOTTIME: when the present commit was begun; None: none is."""
