"""A path exists complete or not at all; touches no tensor."""
