-- A queue keeps what waits for each endpoint in order, so a text for twenty endpoints passes through as many of its
-- pages. What cannot go out yet, as its endpoint is held or paused, needs no place there so soon: it is parked, where
-- all of a text's deliveries lie side by side, and many texts' are queued at once (mmconnect/store/parking.py).
ALTER TABLE deliveries ADD COLUMN parked INTEGER NOT NULL DEFAULT 0 CHECK (parked IN (0, 1));
DROP INDEX deliveries_due;
CREATE INDEX deliveries_due ON deliveries (endpoint_id, due_at, id, sender, state, parked)
    WHERE state = 'pending' AND parked = 0;
CREATE INDEX deliveries_parked ON deliveries (id, endpoint_id, state, parked)
    WHERE state = 'pending' AND parked = 1;
CREATE VIEW waiting (id, endpoint_id, due_at) AS
    SELECT id, endpoint_id, due_at FROM deliveries WHERE state = 'pending' AND parked = 0
    UNION ALL SELECT id, endpoint_id, due_at FROM deliveries WHERE state = 'pending' AND parked = 1;
