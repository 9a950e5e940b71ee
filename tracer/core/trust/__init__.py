"""What of a model file is trusted: what a configuration may name, and what is published about each Keras release."""
