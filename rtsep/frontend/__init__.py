"""Front ends: from a slice of sound to band spectra and back, exactly; constant-Q and Fourier behind one interface."""
