"""Where models and data come from, and what of them may be loaded."""
