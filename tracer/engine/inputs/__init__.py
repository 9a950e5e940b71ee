"""What a model is fed: made to fit it, read from a file, or given and checked."""
