-- The admin side: who may come in, who changed what, and figures that need no walk through the history.

-- The administrator: one, so that nobody wonders which.
CREATE TABLE account (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    password TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;

-- Codes for the first visit, as hashes. A start makes one and ends those before, but for a young one that was asked for
-- (`asked`); the first use ends all.
CREATE TABLE setup_codes (
    code_hash BLOB PRIMARY KEY,
    made_at INTEGER NOT NULL,
    asked INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Browsers that are logged in. Of the cookie only its hash is kept. `confirmed_at`: the password was entered (again).
CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    cookie_hash BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    confirmed_at INTEGER NOT NULL,
    address TEXT,
    user_agent TEXT
) STRICT, WITHOUT ROWID;

-- Keys of the REST API, as hashes; `hint` is what a person tells two of them apart by. `scopes` is JSON.
CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    key_hash BLOB NOT NULL UNIQUE,
    hint TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER,
    last_address TEXT,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;

-- Who changed what. `actor` is `admin`, `cli`, or an API key's id; `subject` an id, where there is one.
CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    address TEXT,
    action TEXT NOT NULL,
    subject TEXT,
    detail TEXT NOT NULL
) STRICT;

-- Texts and attempts by hour, counted in memory and written now and then, never on a text's way. `hour` is its beginning
-- (UTC ms), at a full hour of the machine's own time. Of all phones together: `device_id` ''.
CREATE TABLE text_hours (
    device_id TEXT NOT NULL,
    hour INTEGER NOT NULL,
    texts INTEGER NOT NULL,
    PRIMARY KEY (device_id, hour)
) STRICT, WITHOUT ROWID;

-- `latencies`: how many answers took how long, by bucket (JSON; mmconnect/domain/histogram.py). `given_up`: deliveries
-- that failed or expired for good.
CREATE TABLE endpoint_hours (
    endpoint_id TEXT NOT NULL,
    hour INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    given_up INTEGER NOT NULL,
    latencies TEXT NOT NULL,
    PRIMARY KEY (endpoint_id, hour)
) STRICT, WITHOUT ROWID;

-- What came before there were figures is counted in the background, backwards from these ids.
CREATE TABLE tally_seeds (
    what TEXT PRIMARY KEY CHECK (what = 'texts' OR what = 'attempts'),
    before_id TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO tally_seeds SELECT 'texts', max(id) || '~', unixepoch() * 1000 FROM messages HAVING max(id) IS NOT NULL;
INSERT INTO tally_seeds SELECT 'attempts', max(id) || '~', unixepoch() * 1000 FROM deliveries HAVING max(id) IS NOT NULL;

-- What was sent is in the message; this is what only the attempt knows of it: time, version, signatures.
ALTER TABLE attempts ADD COLUMN request TEXT;

-- In which order people see the endpoints.
ALTER TABLE endpoints ADD COLUMN position INTEGER NOT NULL DEFAULT 0;

-- Searching the history (mmconnect/store/segments.py): ranges of message ids (from_id < id <= to_id) that were indexed
-- beside the texts. `rows` are the rowids by ordinal (zlib), `number` names the postings, `changes` counts what has been
-- erased or added in the range since, `seen` is the last rowid when it was begun.
CREATE TABLE search_segments (
    to_id TEXT PRIMARY KEY,
    from_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state = 'building' OR state = 'built' OR state = 'dropped'),
    number INTEGER UNIQUE,
    changes INTEGER NOT NULL DEFAULT 0,
    seen INTEGER NOT NULL,
    first_at INTEGER,
    last_at INTEGER,
    rows BLOB
) STRICT, WITHOUT ROWID;

-- Which messages of a segment (ordinals, 16 bits each, or all 2048 as a bitmap) fall into a bucket.
CREATE TABLE search_postings (
    segment INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    ordinals BLOB NOT NULL,
    PRIMARY KEY (segment, bucket)
) STRICT, WITHOUT ROWID;

-- What failed is found without a walk through the history. A text that is delivered never passes through here.
CREATE INDEX deliveries_ended ON deliveries (message_id)
    WHERE state = 'failed' OR state = 'expired' OR state = 'cancelled';

-- The same by state and endpoint, for lists and counts.
CREATE INDEX deliveries_undelivered ON deliveries (state, endpoint_id, id, created_at, trigger)
    WHERE state = 'failed' OR state = 'expired' OR state = 'cancelled';
