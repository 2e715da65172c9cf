"""How a comparison looks on a terminal, while it runs and at its end."""
