"""The public contract with receivers, as pure functions: payload, signing, schedule, outcome."""
