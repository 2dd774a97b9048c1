-- The admin side: who may come in, who changed what, and figures that need no walk through the history.

-- The administrator. One, so that nobody wonders which.
CREATE TABLE account (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    password TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;

-- Codes for the first visit, as hashes. A start makes one and ends those before; the first use ends all.
CREATE TABLE setup_codes (
    code_hash BLOB PRIMARY KEY,
    made_at INTEGER NOT NULL
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

-- Texts and attempts by hour (UTC hours since 1970), counted in memory and written now and then, never on a text's way.
-- `latencies` is a histogram of answers' times (JSON).
CREATE TABLE text_hours (
    hour INTEGER NOT NULL,
    device_id TEXT NOT NULL,
    texts INTEGER NOT NULL,
    PRIMARY KEY (hour, device_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE endpoint_hours (
    hour INTEGER NOT NULL,
    endpoint_id TEXT NOT NULL,
    delivered INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    latencies TEXT NOT NULL,
    PRIMARY KEY (hour, endpoint_id)
) STRICT, WITHOUT ROWID;

-- What was sent is in the message; this is what only the attempt knows of it: time, version, signatures.
ALTER TABLE attempts ADD COLUMN request TEXT;

-- In which order people see the endpoints.
ALTER TABLE endpoints ADD COLUMN position INTEGER NOT NULL DEFAULT 0;
