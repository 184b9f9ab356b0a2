"""Independent judges of sequence and fold: other programs' models, the model's own likelihood."""
