"""Files of models and of inputs, read without Keras and before Keras reads them."""
