"""Runs on an object store: the store itself, the lease, what is put there and what is brought back."""
