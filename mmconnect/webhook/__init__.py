"""The public contract with receivers, as pure functions: payload, signatures, schedule, outcomes."""
