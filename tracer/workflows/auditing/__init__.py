"""A model file whose original is gone."""
