"""TimbreNet: a causal mask network. Running it takes NumPy and numba; only `network` and `losses` import torch."""
