"""One closed schema per command: plain dataclasses, so that a bad value is refused before torch is imported."""
