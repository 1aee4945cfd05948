"""Where plugins attach: hook specs, the registry of names, and the dispatch of events."""
