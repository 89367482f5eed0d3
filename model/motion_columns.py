"""The columns of a motion, by name: what presenters are drawn by and what pocket's latents say. Without torch."""

MOTION = ("dx", "dy", "tilt", "scale", "blink", "squint", "gaze_x", "gaze_y", "brow", "brow_slant",
          "smile", "aperture", "width", "rounding")  # fmt: skip
"""dx and dy in half pictures, tilt in radians, scale as a logarithm, blink 0 (open) to 1 (shut), squint −1 (eyes wide) to 1 (narrowed),
gaze −1..1, brow −1..1 (up), brow_slant −1 (inner ends down) to 1 (up), smile −1 (corners of the mouth down) to 1 (up); last the three curves of
speech, aperture, width and rounding 0..1."""
MOTION_COLUMNS = len(MOTION)
