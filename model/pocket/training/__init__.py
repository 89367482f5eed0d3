"""How pocket was trained and judged. Inference imports none of it."""
