"""Model files as files: what is in them, read without Keras and before Keras reads them."""
