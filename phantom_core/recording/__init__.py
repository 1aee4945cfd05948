"""Episodes on file: written while an env is played, read, shown, and played again."""
