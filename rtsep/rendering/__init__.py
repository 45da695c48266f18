"""Songs rendered from MIDI and recorded singers, as many as one wants to learn from."""
