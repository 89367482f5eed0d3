"""The pocket model: what it is made of, how it was trained and judged."""
