"""What the operating system is asked for: Ctrl-C, processes, memory.  No Keras, no NumPy."""
