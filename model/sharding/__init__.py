"""One film on several cards (or processes): its denoising steps or its layers, shared out over ranks."""
