"""A run as it is now: status, events, time left, progress, logs."""
