"""Files that were just written, held against the model in memory that they were written from."""
