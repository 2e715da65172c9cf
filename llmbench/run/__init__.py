"""How the cells of a comparison are run, from the first lock to the last record."""
