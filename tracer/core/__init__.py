"""The pure part: what to compare, how far apart it is, and why. NumPy and the standard library only."""
