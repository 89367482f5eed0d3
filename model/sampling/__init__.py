"""The clip loops, the noise levels and every random number."""
