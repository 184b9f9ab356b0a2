"""The command `prepare`."""
