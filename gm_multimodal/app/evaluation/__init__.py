"""What `evaluate` is made of: reading structures, keeping what was computed, writing tables."""
