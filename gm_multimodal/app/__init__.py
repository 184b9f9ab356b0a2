"""The commands: each reads its configuration, calls one function and writes a run folder."""
