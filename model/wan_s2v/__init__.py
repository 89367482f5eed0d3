"""Wan2.2-S2V-14B as published: clip by clip, with guidance (arXiv 2508.18621)."""
