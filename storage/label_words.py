"""What may be asked of a film's visible label; it is drawn in storage/label.py."""

PLACES = ("bottom-right", "bottom-left", "top-right", "top-left")
LONGEST_LABEL = 60
"""Characters."""
LANGUAGES = {"en": "AI-generated", "zh": "AI 生成"}
"""The usual words."""
