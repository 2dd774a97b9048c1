-- Phones: paired, watched, fetched from.

ALTER TABLE devices ADD COLUMN silent_after INTEGER CHECK (silent_after >= 0);
-- Scheme, host and port of the push URL as a person or the phone was last told it.
ALTER TABLE devices ADD COLUMN push_base TEXT;

-- The last heartbeat, the usual time between two, what the phone tells of itself (JSON), since when it is silent.
ALTER TABLE device_presence ADD COLUMN beat_at INTEGER;
ALTER TABLE device_presence ADD COLUMN beat_gap INTEGER;
ALTER TABLE device_presence ADD COLUMN facts TEXT;
ALTER TABLE device_presence ADD COLUMN silent_at INTEGER;

-- A code that opens the pairing page. Of code and cookie only hashes are kept.
CREATE TABLE pairings (
    code_hash BLOB PRIMARY KEY,
    device_id TEXT NOT NULL REFERENCES devices (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    -- The first browser that pressed Continue, and when.
    cookie_hash BLOB,
    continued_at INTEGER,
    paired_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX pairings_device ON pairings (device_id);

-- Phones that mmconnect fetches from: where, and as whom. A password is never kept, only what it was exchanged for.
CREATE TABLE phone_links (
    device_id TEXT PRIMARY KEY REFERENCES devices (id),
    url TEXT NOT NULL,
    -- Milliseconds between two looks; NULL: as the app's default says.
    interval INTEGER CHECK (interval > 0),
    -- What the phone calls itself: another phone at its address is told apart by it.
    phone_id TEXT,
    -- SmsForwarder: the secret that its server's requests are signed with.
    secret TEXT,
    created_at INTEGER NOT NULL
) STRICT;
CREATE TRIGGER links_changed AFTER UPDATE ON phone_links BEGIN UPDATE revision SET number = number + 1; END;
CREATE TRIGGER links_added AFTER INSERT ON phone_links BEGIN UPDATE revision SET number = number + 1; END;
CREATE TRIGGER links_gone AFTER DELETE ON phone_links BEGIN UPDATE revision SET number = number + 1; END;

-- What changes while fetching; no configuration.
CREATE TABLE phone_link_states (
    device_id TEXT PRIMARY KEY REFERENCES devices (id),
    access_token TEXT,
    refresh_token TEXT,
    token_made_at INTEGER,
    token_ends_at INTEGER,
    -- Up to which time of an SMS the inbox has been read, when it last was, and when what it held at first was listed.
    read_to INTEGER,
    read_at INTEGER,
    listed_at INTEGER,
    -- A backup was restored: texts older than an hour are kept back until a person has been asked.
    ask INTEGER NOT NULL DEFAULT 0 CHECK (ask IN (0, 1)),
    -- What the phone was last told (JSON), so that it is told again when that changes.
    told TEXT,
    -- Why it cannot be fetched from at present, in a sentence, and since when.
    trouble TEXT,
    trouble_at INTEGER,
    -- The address that it was found at no longer, and when it was found at another.
    moved_from TEXT,
    moved_at INTEGER
) STRICT;

-- What an inbox held when it was first read: recognised by the phone's own ids. `done`: it has become a message.
CREATE TABLE inbox_history (
    device_id TEXT NOT NULL REFERENCES devices (id),
    inbox_id TEXT NOT NULL,
    done INTEGER NOT NULL DEFAULT 0 CHECK (done IN (0, 1)),
    PRIMARY KEY (device_id, inbox_id)
) STRICT, WITHOUT ROWID;

-- Messages without deliveries, until a person says 'send these too' or 'leave them'.
CREATE TABLE kept_back (
    message_id TEXT PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
    device_id TEXT NOT NULL REFERENCES devices (id),
    reason TEXT NOT NULL CHECK (reason = 'history' OR reason = 'restored')
) STRICT, WITHOUT ROWID;
CREATE INDEX kept_back_device ON kept_back (device_id, message_id);

-- Texts of a phone that both pushes and is fetched from, where the two ways agree only on whom, what and about when.
-- `at` is the text's time; not `zoned`: a local time of a zone that is not known. Which ways have brought it.
CREATE TABLE twins (
    digest BLOB NOT NULL,
    at INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    zoned INTEGER NOT NULL CHECK (zoned IN (0, 1)),
    pushed INTEGER NOT NULL CHECK (pushed IN (0, 1)),
    fetched INTEGER NOT NULL CHECK (fetched IN (0, 1)),
    PRIMARY KEY (digest, at, message_id)
) STRICT, WITHOUT ROWID;

-- Finding and counting what was not understood must not read through the history.
CREATE INDEX messages_unrecognised ON messages (device_id, id) WHERE kind = 'unrecognised';
