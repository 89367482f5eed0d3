"""What a prompt can ask of pocket's presenter, as numbers. Without torch."""

ACTS = ("happy", "sad", "surprised", "angry", "energy", "gaze_x", "gaze_y", "nod", "shake")
"""The columns of a row of acts: expressions, nods and shakes of the head 0..1; energy −1 (still) to 1 (lively); where the eyes look, −1..1, to the picture's right and down.

All zero is calm: the presenter looks at you and moves as people do who read something aloud.
"""
EXPRESSIONS, GESTURES = ("happy", "sad", "surprised", "angry"), ("energy", "nod", "shake")
"""Those whose strength a schedule can change, apart from what the prompt's words say of it."""
GAINS = {"happy": 1.12, "energy": 1.2, "nod": 1.1}
"""How many times more than is wanted the transformer is told of some acts: in few steps it makes less of them than it saw, nearly in proportion; lips stay what they are.

Measured by `python -m model.pocket.training.evaluate --parts acts`; other weights want other numbers.
"""
