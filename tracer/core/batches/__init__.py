"""Inputs of many batches: what a data set gives, and one report of all of them."""
