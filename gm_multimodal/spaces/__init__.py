"""Where points live: no time, no networks."""
