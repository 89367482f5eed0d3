"""Wan's VAE as a stream, and linear previews of latents."""
