"""Playing policies in an env, without learning."""
