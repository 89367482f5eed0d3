"""Commands that measure: python -m model.tools.NAME."""
