"""Records of a minion's journal for tests, with all that no test cares about filled in."""

from limpet.minion.journal.records import JobAccepted, JobFinished


def jid(number: int) -> str:
    """Give a job id that shows its number."""
    return f"01HZZZZZZZZZZZZZZZZZZZ{number:04d}"


def accepted(job: str, *, arguments: bytes = b"\x92\x90\x80", wall_s: float = 1e9) -> JobAccepted:
    """Give the record of an accepted job."""
    return JobAccepted(
        jid=job,
        function="test.sleep",
        arguments=arguments,
        job_timeout_s=60.0,
        is_streamed=False,
        user="root",
        return_bytes_max=1_000_000,
        expires_boot_s=100.0,
        expires_wall_s=wall_s + 60,
        boot_id="b" * 32,
        accepted_wall_s=wall_s,
    )


def finished(job: str, *, body: bytes = b"\xc3", outcome: str = "ok") -> JobFinished:
    """Give the record of a finished job."""
    return JobFinished(
        jid=job,
        outcome=outcome,
        retcode=0,
        error="",
        started_wall_s=1e9,
        duration_s=1.0,
        body=body,
        body_bytes=len(body),
        body_digest="",
        is_cut=False,
        finished_wall_s=1e9 + 1,
    )
