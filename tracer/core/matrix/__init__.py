"""The same question in many environments, and the search for where its answer changes."""
