"""One layer: its name, what can be said of it, and changes to it."""
