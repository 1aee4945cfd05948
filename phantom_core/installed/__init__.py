"""What is installed: distributions, the components that they offer, who is left out, and look-up by name."""
