"""Folders that commands write: held by one run, recorded, and complete at any time."""
