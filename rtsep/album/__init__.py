"""All songs of a folder in one go: which there are to do, one stream of their chunks, and what became of each."""
