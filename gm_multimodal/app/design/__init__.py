"""The command `design`."""
