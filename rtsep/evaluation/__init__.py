"""How near the separated stems are to the real ones, in the field's own measures."""
