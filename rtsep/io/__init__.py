"""The ends of the chain: sound files that are read and written block by block, in constant memory."""
