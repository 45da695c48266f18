"""Live sound: what runs in the audio callback, beside it, and what is told of it."""
