"""What is measured of a finished film, from its own frames and samples: arrays in, numbers out."""
