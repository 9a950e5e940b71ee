"""The commands: each function is one, its docstring the help, its annotated parameters the options."""
