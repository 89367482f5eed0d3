"""Arrays and a seed become arrays; touches no file but weights."""
