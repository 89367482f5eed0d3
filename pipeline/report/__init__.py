"""One page about a film, or about several beside each other: no network, nothing beside it but the film."""
