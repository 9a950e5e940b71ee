"""Keras 2 (2.11 … 2.15): what the engine needs of it, and nothing that Keras 3 needs."""
