"""How a comparison reaches people and programs."""
