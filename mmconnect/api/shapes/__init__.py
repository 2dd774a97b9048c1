"""What answers look like: one schema for each thing, by the name that the document gives it."""
