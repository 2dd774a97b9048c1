-- The first schema. Times are UTC milliseconds; ids are a prefix and a ULID, so they sort by time.
-- Every table that configures something bumps `revision`, which a running service watches.

CREATE TABLE revision (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    number INTEGER NOT NULL
) STRICT;
INSERT INTO revision VALUES (1, 1);

CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE devices (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    app TEXT NOT NULL,
    country TEXT,
    signing_key TEXT,
    mapping TEXT NOT NULL DEFAULT '{}',
    dedupe_window INTEGER CHECK (dedupe_window >= 0),
    created_at INTEGER NOT NULL,
    removed_at INTEGER
) STRICT;

-- A device has one current token; the one it replaced stays valid until the new one is used.
CREATE TABLE device_tokens (
    token TEXT PRIMARY KEY,
    device_id TEXT NOT NULL REFERENCES devices (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER
) STRICT;

-- What a phone's last signs of life were. Written now and then, never on a text's way.
CREATE TABLE device_presence (
    device_id TEXT PRIMARY KEY REFERENCES devices (id),
    last_heard_at INTEGER,
    last_address TEXT,
    user_agent TEXT,
    rejected INTEGER NOT NULL DEFAULT 0,
    rejected_at INTEGER,
    rejected_reason TEXT
) STRICT;

CREATE TABLE device_events (
    number INTEGER PRIMARY KEY,
    device_id TEXT NOT NULL REFERENCES devices (id),
    name TEXT NOT NULL,
    event_id TEXT,
    received_at INTEGER NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX device_events_device ON device_events (device_id, number);

CREATE TABLE endpoints (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'held', 'paused')),
    held_class TEXT,
    held_reason TEXT,
    numbers TEXT NOT NULL CHECK (numbers IN ('e164', 'digits')),
    events TEXT NOT NULL,
    max_age INTEGER NOT NULL CHECK (max_age > 0),
    plain_headers INTEGER NOT NULL DEFAULT 1 CHECK (plain_headers IN (0, 1)),
    concurrency INTEGER NOT NULL CHECK (concurrency > 0),
    created_at INTEGER NOT NULL,
    removed_at INTEGER
) STRICT;

CREATE TABLE secrets (
    endpoint_id TEXT NOT NULL REFERENCES endpoints (id),
    created_at INTEGER NOT NULL,
    value TEXT NOT NULL,
    expires_at INTEGER,
    PRIMARY KEY (endpoint_id, created_at)
) STRICT;

CREATE TABLE messages (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('sms', 'mms', 'data', 'unrecognised')),
    sender TEXT,
    sender_raw TEXT,
    recipient TEXT,
    text TEXT NOT NULL,
    subject TEXT,
    attachments TEXT,
    ref TEXT,
    sim INTEGER,
    sent_at INTEGER,
    received_at INTEGER NOT NULL,
    device_id TEXT REFERENCES devices (id),
    event_id TEXT,
    test INTEGER NOT NULL DEFAULT 0 CHECK (test IN (0, 1)),
    payload BLOB,
    raw BLOB,
    raw_headers TEXT,
    duplicates INTEGER NOT NULL DEFAULT 0,
    note TEXT
) STRICT;

-- What a push is recognised by when it comes again. Outlives its message.
CREATE TABLE dedupe_keys (
    key BLOB PRIMARY KEY,
    message_id TEXT NOT NULL,
    seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- An MMS that was announced, downloaded, or both. `at` is what the two are matched by.
CREATE TABLE mms_notices (
    message_id TEXT PRIMARY KEY,
    device_id TEXT NOT NULL REFERENCES devices (id),
    sender TEXT NOT NULL,
    at INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('announced', 'alone', 'downloaded', 'matched')),
    due_at INTEGER,
    announcement TEXT,
    raw BLOB,
    raw_headers TEXT
) STRICT;
CREATE INDEX mms_notices_sender ON mms_notices (device_id, sender, at);
CREATE INDEX mms_notices_due ON mms_notices (due_at) WHERE state = 'announced';

CREATE TABLE deliveries (
    id TEXT PRIMARY KEY,
    message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    endpoint_id TEXT NOT NULL REFERENCES endpoints (id),
    state TEXT NOT NULL
        CHECK (state IN ('pending', 'in_flight', 'delivered', 'failed', 'expired', 'cancelled')),
    trigger TEXT NOT NULL CHECK (trigger IN ('push', 'replay', 'send', 'test')),
    sender TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    spent INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER,
    started_at INTEGER,
    boot_id TEXT,
    created_at INTEGER NOT NULL,
    finished_at INTEGER,
    -- The body, where it differs from the message's own (numbers written another way).
    payload BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_message ON deliveries (message_id);
CREATE INDEX deliveries_due ON deliveries (endpoint_id, due_at, id, sender) WHERE state = 'pending';
CREATE INDEX deliveries_in_flight ON deliveries (id) WHERE state = 'in_flight';

CREATE TABLE attempts (
    delivery_id TEXT NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    duration_ms INTEGER,
    outcome TEXT NOT NULL,
    status INTEGER,
    error TEXT,
    address TEXT,
    response_headers TEXT,
    response_body TEXT,
    PRIMARY KEY (delivery_id, number)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER settings_changed AFTER UPDATE ON settings BEGIN UPDATE revision SET number = number + 1; END;
CREATE TRIGGER settings_added AFTER INSERT ON settings BEGIN UPDATE revision SET number = number + 1; END;
CREATE TRIGGER settings_gone AFTER DELETE ON settings BEGIN UPDATE revision SET number = number + 1; END;
CREATE TRIGGER devices_changed AFTER UPDATE ON devices BEGIN UPDATE revision SET number = number + 1; END;
CREATE TRIGGER devices_added AFTER INSERT ON devices BEGIN UPDATE revision SET number = number + 1; END;
CREATE TRIGGER tokens_changed AFTER UPDATE ON device_tokens BEGIN UPDATE revision SET number = number + 1; END;
CREATE TRIGGER tokens_added AFTER INSERT ON device_tokens BEGIN UPDATE revision SET number = number + 1; END;
CREATE TRIGGER tokens_gone AFTER DELETE ON device_tokens BEGIN UPDATE revision SET number = number + 1; END;
CREATE TRIGGER endpoints_changed AFTER UPDATE ON endpoints BEGIN UPDATE revision SET number = number + 1; END;
CREATE TRIGGER endpoints_added AFTER INSERT ON endpoints BEGIN UPDATE revision SET number = number + 1; END;
CREATE TRIGGER secrets_changed AFTER UPDATE ON secrets BEGIN UPDATE revision SET number = number + 1; END;
CREATE TRIGGER secrets_added AFTER INSERT ON secrets BEGIN UPDATE revision SET number = number + 1; END;
CREATE TRIGGER secrets_gone AFTER DELETE ON secrets BEGIN UPDATE revision SET number = number + 1; END;
