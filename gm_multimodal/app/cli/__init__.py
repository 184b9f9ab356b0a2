"""The command line: what a command offers, how its configuration is composed and checked, and what the user sees."""

from gm_multimodal.app.cli.dispatch import main

__all__ = ["main"]
