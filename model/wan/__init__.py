"""What the two published models share: Wan2.2-S2V-14B as it is, and with LiveAvatar's LoRA."""
