"""From sparse codes to the spectra of the stems, and from those to masks."""
