"""What runs in the process of a cell. Torch is imported here and nowhere else."""
