"""Many films: the lines of a table, each made by a process of its own, here or on other machines."""
