"""What must exist before what; the only place where storage and model meet."""
