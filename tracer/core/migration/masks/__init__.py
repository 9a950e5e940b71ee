"""Masks of Keras 2 in Keras 3: where the two hand them on otherwise, and what is put there instead."""
