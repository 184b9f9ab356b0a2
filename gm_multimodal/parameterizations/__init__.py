"""How network output is read, and the loss that fits it."""
