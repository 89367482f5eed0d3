"""Keys and values of the last latents: the cache, its windows, its quantised form."""
