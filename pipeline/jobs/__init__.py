"""Films that are made for somebody who may go away: a queue of runs in a folder, each made by a process of its own."""
