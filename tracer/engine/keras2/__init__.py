"""Keras 2 (2.11 … 2.15, and tf-keras from 2.16 on): what the engine needs of it, and nothing that Keras 3 needs."""
