"""Conditional laws p_t(. | z): how to draw from them."""
