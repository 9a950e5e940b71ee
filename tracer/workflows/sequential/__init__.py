"""Two models of which only one is loaded at a time."""
