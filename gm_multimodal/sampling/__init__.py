"""Simulation: grids, the loop, observers."""
