"""What a prompt can ask of pocket's presenter, as numbers. Without torch."""

ACTS = ("happy", "sad", "surprised", "angry", "energy", "gaze_x", "gaze_y", "nod", "shake")
"""The columns of a row of acts: expressions, nods and shakes of the head 0..1; energy −1 (still) to 1 (lively); where the eyes look, −1..1, to the picture's right and down.

All zero is calm: the presenter looks at you and moves as people do who read something aloud.
"""
