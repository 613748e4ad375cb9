"""Settings: what they are, how they are loaded, and what is wrong with them."""
