"""Whose a film is, by its invisible watermark."""
