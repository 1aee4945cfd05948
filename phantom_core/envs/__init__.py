"""How time passes: one step pipeline, and turn orders that say whose turn it is."""
