"""What a backbone is worth: local geometry, compactness and secondary structure."""
