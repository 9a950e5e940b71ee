"""A result in every form that it can be read in: text, Markdown, JUnit, a line that is drawn."""
