"""Training: songs with their stems in, a model file out."""
