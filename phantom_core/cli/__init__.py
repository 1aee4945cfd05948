"""`phantom` on the command line."""
