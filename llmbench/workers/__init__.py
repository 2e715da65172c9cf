"""Starting workers, following them, and what became of them."""
