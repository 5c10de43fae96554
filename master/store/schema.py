"""The tables of the master's database, one migration after the other. Never change an old step.

Tables mirror the rows of `operations.py`, column for field. What grows large (arguments, bodies)
stands in the last column, so that reading the others does not touch it.
"""

from typing import Final

_FIRST = """
CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    commit_number INTEGER NOT NULL
);
INSERT INTO meta VALUES (0, 0);

CREATE TABLE note (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE minion_key (
    key TEXT PRIMARY KEY,
    minion TEXT NOT NULL,
    state TEXT NOT NULL,
    since_s REAL NOT NULL,
    address TEXT NOT NULL,
    token_id TEXT NOT NULL,
    asked_s REAL NOT NULL,
    journal_id TEXT NOT NULL,
    seen_s REAL NOT NULL,
    was_ready INTEGER NOT NULL,
    version TEXT NOT NULL,
    grains_digest TEXT NOT NULL,
    grains BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE token (
    token_id TEXT PRIMARY KEY,
    verifier BLOB NOT NULL,
    expires_s REAL NOT NULL,
    uses_max INTEGER NOT NULL,
    used INTEGER NOT NULL,
    id_pattern TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_s REAL NOT NULL,
    is_revoked INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE job (
    jid TEXT PRIMARY KEY,
    uid INTEGER NOT NULL,
    user TEXT NOT NULL,
    request_id TEXT NOT NULL,
    target TEXT NOT NULL,
    target_kind TEXT NOT NULL,
    function TEXT NOT NULL,
    created_s REAL NOT NULL,
    ttl_s REAL,
    job_timeout_s REAL NOT NULL,
    batch_size INTEGER NOT NULL,
    is_streamed INTEGER NOT NULL,
    is_cancelled INTEGER NOT NULL,
    ended_s REAL NOT NULL,
    arguments BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX job_ended ON job (ended_s);
CREATE INDEX job_created ON job (created_s);

CREATE TABLE delivery (
    jid TEXT NOT NULL,
    minion TEXT NOT NULL,
    key TEXT NOT NULL,
    state TEXT NOT NULL,
    journal_id TEXT NOT NULL,
    expires_s REAL NOT NULL,
    since_s REAL NOT NULL,
    cancel TEXT NOT NULL,
    error TEXT NOT NULL,
    retcode INTEGER NOT NULL,
    started_s REAL NOT NULL,
    duration_s REAL NOT NULL,
    body_bytes INTEGER NOT NULL,
    is_cut INTEGER NOT NULL,
    PRIMARY KEY (jid, minion)
) WITHOUT ROWID;
CREATE INDEX delivery_late ON delivery (jid)
    WHERE state IN ('lost', 'offline', 'expired') AND journal_id <> '';
CREATE INDEX delivery_cancel ON delivery (jid) WHERE cancel = 'wanted';

CREATE TABLE body (
    jid TEXT NOT NULL,
    minion TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (jid, minion)
);

CREATE TABLE chunk (
    jid TEXT NOT NULL,
    minion TEXT NOT NULL,
    digest TEXT NOT NULL,
    start INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (jid, minion, start)
)
"""

# What the history amounts to, kept with it, so that no question counts its deliveries. `ended` has
# a row for each job that has ended: `counts` is `STATE=NUMBER STATE=NUMBER …`; `bytes` is about
# what the job takes on disk, by the figures of `sizes.py` (300 and 360, which stand here too, for
# a step never changes). `meta` has their sums. Jobs in `dropping` are gone for everybody; what they
# leave in `delivery`, `body` and `chunk` goes piece by piece.
_SECOND = """
CREATE TABLE ended (
    jid TEXT PRIMARY KEY,
    counts TEXT NOT NULL,
    bytes INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO ended
    SELECT
        jid,
        (
            SELECT coalesce(group_concat(state || '=' || number, ' '), '')
            FROM (
                SELECT state, count(*) AS number
                FROM delivery WHERE delivery.jid = job.jid GROUP BY state
            )
        ),
        300 + length(arguments) + (
            SELECT coalesce(sum(360 + body_bytes), 0) FROM delivery WHERE delivery.jid = job.jid
        )
    FROM job WHERE ended_s > 0;

ALTER TABLE meta ADD COLUMN ended_jobs INTEGER NOT NULL DEFAULT 0;
ALTER TABLE meta ADD COLUMN ended_bytes INTEGER NOT NULL DEFAULT 0;
UPDATE meta SET
    ended_jobs = (SELECT count(*) FROM ended),
    ended_bytes = (SELECT coalesce(sum(bytes), 0) FROM ended);

CREATE TABLE dropping (
    jid TEXT PRIMARY KEY
) WITHOUT ROWID
"""

# A value of few bytes stands in its delivery, in the last column; those written before stay in
# `body`, where large ones go. `ended` becomes `sums` and has a row for each job, so that open ones
# need no counting either; `held` says how many deliveries of a job that has ended a minion's word
# may still change, for which each delivery was in two indexes.
_THIRD = """
ALTER TABLE delivery ADD COLUMN body BLOB;
ALTER TABLE ended RENAME TO sums;
ALTER TABLE sums ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
UPDATE sums SET held = (
    SELECT count(*) FROM delivery
    WHERE delivery.jid = sums.jid AND (
        cancel = 'wanted' OR (state IN ('lost', 'offline', 'expired') AND journal_id <> '')
    )
)
WHERE jid IN (
    SELECT jid FROM delivery
    WHERE state IN ('lost', 'offline', 'expired') AND journal_id <> ''
    UNION SELECT jid FROM delivery WHERE cancel = 'wanted'
);
INSERT INTO sums
    SELECT
        jid,
        (
            SELECT coalesce(group_concat(state || '=' || number, ' '), '')
            FROM (
                SELECT state, count(*) AS number
                FROM delivery WHERE delivery.jid = job.jid GROUP BY state
            )
        ),
        0,
        0
    FROM job WHERE ended_s = 0;
CREATE INDEX sums_held ON sums (jid) WHERE held > 0;
DROP INDEX delivery_late;
DROP INDEX delivery_cancel
"""

MIGRATIONS: Final = (_FIRST, _SECOND, _THIRD)
"""Step n leads from schema version n to n + 1."""
