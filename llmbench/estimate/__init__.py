"""Memory predicted before anything runs: what is asked of a worker, and what its answer means."""
