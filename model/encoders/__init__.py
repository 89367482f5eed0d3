"""Speech and prompt encoders."""
