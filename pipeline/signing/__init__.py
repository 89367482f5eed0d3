"""Signed metadata (C2PA): who answers for a film, and whether it is as it was signed."""
