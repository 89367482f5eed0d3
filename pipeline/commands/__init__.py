"""The command line's verbs, a file each, and what reads their words."""
