"""The only code that opens fixture files."""
