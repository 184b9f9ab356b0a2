"""What a residue is: frames and atoms, residue types, structure files, datasets and metrics."""
