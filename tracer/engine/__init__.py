"""The only code that knows Keras."""
