"""What studios do to sound: equalizers, compressors, rooms, and a mixing chain drawn at random."""
