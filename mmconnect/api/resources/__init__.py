"""What the API serves, one file for each thing: handlers, and the operations that they serve."""
