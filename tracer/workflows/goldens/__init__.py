"""Goldens: recorded, witnessed, and held against this Keras."""
