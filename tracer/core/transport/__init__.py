"""Records as bytes between two processes."""
