"""TimbreNet: a causal mask network. Running it takes NumPy alone; only `network` and `losses` import torch."""
