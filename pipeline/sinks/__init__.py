"""Where events go besides the run's own file: `--events-to URL`, as often as there are places. None of them slows, stops or fails a film."""
