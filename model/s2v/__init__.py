"""The speech-to-video transformer, one class for all models, and what conditions it."""
