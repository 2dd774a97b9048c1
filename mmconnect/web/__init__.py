"""What the listeners share: bodies, connections, headers, errors."""
