"""Everything that remembers the past: resampling, slicing and overlap-add, each fed block by block."""
