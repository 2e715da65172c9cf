"""What is known of a cell and of a comparison: frozen models, and figures derived from them."""
