"""Bytes between host and GPU, layers that wait on the host, what the driver says."""
