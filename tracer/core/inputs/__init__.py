"""What a model takes, and whether arrays that were given are that."""
