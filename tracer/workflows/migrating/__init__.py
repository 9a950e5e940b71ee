"""From Keras 2 to Keras 3: a file is translated, its weights are carried over, and the result is proved."""
