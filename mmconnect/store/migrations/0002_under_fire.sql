-- Delivery under fire: health, routing, rotation, replay, retention, clock. Foreign keys are off here.

-- What an owner can set for an endpoint.
ALTER TABLE endpoints ADD COLUMN held_at INTEGER;
ALTER TABLE endpoints ADD COLUMN probe_asked_at INTEGER;
ALTER TABLE endpoints ADD COLUMN schedule TEXT;
ALTER TABLE endpoints ADD COLUMN strict_order INTEGER NOT NULL DEFAULT 0 CHECK (strict_order IN (0, 1));
ALTER TABLE endpoints ADD COLUMN headers TEXT NOT NULL DEFAULT '{}';
ALTER TABLE endpoints ADD COLUMN routing TEXT NOT NULL DEFAULT '{}';
ALTER TABLE endpoints ADD COLUMN ca TEXT;
ALTER TABLE endpoints ADD COLUMN plain_http INTEGER NOT NULL DEFAULT 0 CHECK (plain_http IN (0, 1));
ALTER TABLE endpoints ADD COLUMN alert INTEGER NOT NULL DEFAULT 0 CHECK (alert IN (0, 1));

-- What the service has learnt of an endpoint. Written when it changes, which for a healthy one is never.
CREATE TABLE endpoint_health (
    endpoint_id TEXT PRIMARY KEY REFERENCES endpoints (id),
    not_reached INTEGER NOT NULL,
    failing TEXT NOT NULL,
    refused TEXT NOT NULL,
    since INTEGER,
    probes INTEGER NOT NULL,
    probe_at INTEGER
) STRICT, WITHOUT ROWID;

-- Time in which no delivery grows older: an endpoint was paused, or (no endpoint) mmconnect was off, by a clock that
-- is not known to be right.
CREATE TABLE age_gaps (
    number INTEGER PRIMARY KEY,
    endpoint_id TEXT REFERENCES endpoints (id),
    from_at INTEGER NOT NULL,
    to_at INTEGER,
    reason TEXT NOT NULL CHECK (reason IN ('paused', 'off'))
) STRICT;
INSERT INTO age_gaps (endpoint_id, from_at, reason)
    SELECT id, unixepoch() * 1000, 'paused' FROM endpoints WHERE state = 'paused' AND removed_at IS NULL;

-- When mmconnect was last known to run (UTC milliseconds), so that a start can tell a clock that went wrong.
CREATE TABLE last_seen (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    at INTEGER NOT NULL
) STRICT;

-- Sending many deliveries again: what matches, how far it has come.
CREATE TABLE replays (
    id TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    state TEXT,
    endpoint_id TEXT REFERENCES endpoints (id),
    since INTEGER,
    until INTEGER,
    cursor TEXT NOT NULL DEFAULT '',
    last TEXT NOT NULL,
    total INTEGER NOT NULL,
    done INTEGER NOT NULL DEFAULT 0,
    skipped INTEGER NOT NULL DEFAULT 0,
    finished_at INTEGER,
    cancelled_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX replays_open ON replays (id) WHERE finished_at IS NULL;

-- Erasures that were begun, and how many of them are known to have left nothing in the files either.
CREATE TABLE erasures (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    begun INTEGER NOT NULL,
    proven INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT;
INSERT INTO erasures VALUES (1, 0, 0, 0);

-- A row of failed probes is one attempt: how many there were, and when the last one was.
-- `note` is what else is worth knowing, also of a success (which secret the receiver knows).
ALTER TABLE attempts ADD COLUMN count INTEGER NOT NULL DEFAULT 1;
ALTER TABLE attempts ADD COLUMN last_at INTEGER;
ALTER TABLE attempts ADD COLUMN note TEXT;
ALTER TABLE attempts ADD COLUMN probe INTEGER NOT NULL DEFAULT 0 CHECK (probe IN (0, 1));

-- An operational event is a message of its own kind; a message's text can be wiped while its row stays.
CREATE TABLE new_messages (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('sms', 'mms', 'data', 'unrecognised', 'event')),
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
    note TEXT,
    wiped_at INTEGER
) STRICT;
INSERT INTO new_messages
    SELECT id, kind, sender, sender_raw, recipient, text, subject, attachments, ref, sim, sent_at, received_at,
        device_id, event_id, test, payload, raw, raw_headers, duplicates, note, NULL
    FROM messages ORDER BY rowid;
DROP TABLE messages;
ALTER TABLE new_messages RENAME TO messages;

CREATE TABLE new_deliveries (
    id TEXT PRIMARY KEY,
    message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    endpoint_id TEXT NOT NULL REFERENCES endpoints (id),
    state TEXT NOT NULL
        CHECK (state IN ('pending', 'in_flight', 'delivered', 'failed', 'expired', 'cancelled')),
    trigger TEXT NOT NULL CHECK (trigger IN ('push', 'replay', 'send', 'test', 'event')),
    sender TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    spent INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER,
    started_at INTEGER,
    boot_id TEXT,
    created_at INTEGER NOT NULL,
    -- When it was last offered anew by a replay: its age counts from there.
    renewed_at INTEGER,
    finished_at INTEGER,
    -- Why it ended without an attempt of its own to tell: expired, cancelled.
    note TEXT,
    -- The body, where it differs from the message's own (numbers written another way, a rule that matched).
    payload BLOB
) STRICT, WITHOUT ROWID;
INSERT INTO new_deliveries
    SELECT id, message_id, endpoint_id, state, trigger, sender, attempts, spent, due_at, started_at, boot_id,
        created_at, NULL, finished_at, NULL, payload
    FROM deliveries ORDER BY id;
DROP TABLE deliveries;
ALTER TABLE new_deliveries RENAME TO deliveries;
CREATE INDEX deliveries_message ON deliveries (message_id);
CREATE INDEX deliveries_due ON deliveries (endpoint_id, due_at, id, sender, state) WHERE state = 'pending';
CREATE INDEX deliveries_sender ON deliveries (endpoint_id, sender, id, state) WHERE state = 'pending';
-- Tried before: these alone may wait for a time of their own.
CREATE INDEX deliveries_tried ON deliveries (endpoint_id) WHERE state = 'pending' AND attempts > 0;
-- In flight and claimed: what was born in flight has no due time, and is found from `flights` on.
CREATE INDEX deliveries_claimed ON deliveries (id) WHERE state = 'in_flight' AND due_at IS NOT NULL;

-- No delivery that was born in flight and still is has a lower id.
CREATE TABLE flights (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    oldest TEXT NOT NULL
) STRICT;
INSERT INTO flights SELECT 1, coalesce(
    (SELECT min(id) FROM deliveries WHERE state = 'in_flight'), (SELECT max(id) FROM deliveries), '');

-- When an operational event was last told, so that a flood of it becomes a few events with a count.
CREATE TABLE events_told (
    name TEXT NOT NULL,
    subject TEXT NOT NULL,
    told_at INTEGER NOT NULL,
    -- How often it has happened since without being told, when the last time was, and what it said.
    untold INTEGER NOT NULL DEFAULT 0,
    last_at INTEGER NOT NULL,
    last TEXT,
    PRIMARY KEY (name, subject)
) STRICT, WITHOUT ROWID;
