"""What a composition will need on a GPU, found by running its real code on tensors without data.

The model stands on torch's meta device, where tensors have a shape and a type and no memory. The
strategies' own loading and preparation, the real forward and backward pass, clipping and optimiser
run on it, and every storage that comes and goes is written down.
"""
