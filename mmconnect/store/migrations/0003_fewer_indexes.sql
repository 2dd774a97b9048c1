-- A text that waits for twenty endpoints passes through twenty places of each index. That of the waiting texts by sender
-- went: in strict order a text waits for its sender's earlier ones, and of those only what was tried before may be due
-- later than it.
DROP INDEX deliveries_sender;
DROP INDEX deliveries_tried;
CREATE INDEX deliveries_tried ON deliveries (endpoint_id, sender, id) WHERE state = 'pending' AND attempts > 0;
