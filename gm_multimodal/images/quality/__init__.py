"""How good samples are: a classifier and its features, Fréchet distance, memorisation, Inception."""
