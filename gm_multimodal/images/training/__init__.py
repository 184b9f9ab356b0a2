"""Training on images with Lightning."""
