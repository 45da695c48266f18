"""The ends of the chain: sound files, read and written block by block in constant memory, and sound devices."""
