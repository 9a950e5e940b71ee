"""How a command line is read, beyond what typer knows: records of options, and what a shell completes."""
