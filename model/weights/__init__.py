"""Published weights: where they lie, whether they are whole, how they are loaded."""
