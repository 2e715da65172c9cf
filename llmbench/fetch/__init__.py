"""Where models and data come from, and whether they are whole and safe to load."""
