"""The live film to a server that streams it on: RTMP and SRT, at the pace of a clock, by a process of its own."""
