"""The output directory: written by one, and read whatever has become of it since."""
