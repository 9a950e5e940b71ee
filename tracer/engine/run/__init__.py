"""A live model, run call site by call site."""
