"""What the analysis comes to, in words, for every output."""
