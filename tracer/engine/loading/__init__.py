"""What Keras does while it loads a file: what its layers may take, and why it fails."""
