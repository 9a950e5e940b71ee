"""Recorded activations as fingerprints, and a run held against them."""
