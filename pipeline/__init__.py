"""The outside: verbs, shells, settings, logs."""
