"""Training on chains with Lightning."""
