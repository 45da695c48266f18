"""Bach's chorales played by a quartet, from recordings of single notes."""
