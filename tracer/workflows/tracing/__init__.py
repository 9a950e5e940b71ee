"""diff and round trips."""
