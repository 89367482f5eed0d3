"""LiveAvatar: Wan2.2-S2V-14B with a LoRA that made it block-causal, in four steps (arXiv 2512.04677)."""
