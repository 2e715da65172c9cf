"""The charts of the page, each with a table of what it shows."""
