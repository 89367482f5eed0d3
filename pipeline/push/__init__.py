"""The live film to a server that streams it on: RTMP, SRT and WebRTC, at the pace of a clock, by a process of its own."""
