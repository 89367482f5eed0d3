"""Presenters of any look, drawn from a seed and moved by numbers: people, robots and animals. Training learns from them and `longtake avatar` draws them; a film needs none."""
