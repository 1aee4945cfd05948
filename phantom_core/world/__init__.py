"""What exists: agents that send messages to one another over a network."""
