"""How points move so that a path's law is kept."""
