"""`python -m phantom_core` is the command `phantom`."""

from phantom_core.cli.main import main

if __name__ == "__main__":
    main()
