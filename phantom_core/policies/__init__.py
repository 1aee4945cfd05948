"""Who decides: policies, and which agent uses which."""
