"""Two comparisons held against each other."""
