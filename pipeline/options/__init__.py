"""What may be asked for: the flags, where they are read, what a model supports."""
