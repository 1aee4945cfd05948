"""PyPI's `phantom-types` is another package that is imported as `phantom`: both cannot be installed."""

from importlib.metadata import PackageNotFoundError, version


def refuse_phantom_types() -> None:
    """Raise an error if `phantom-types` is installed too.

    Raises:
        ImportError: if it is.
    """
    try:
        version("phantom-types")
    except PackageNotFoundError:
        return
    raise ImportError(
        "phantom-types and phantom-compat are both installed, and both are imported as 'phantom', so the "
        "files of one hide or replace those of the other. Run: pip uninstall phantom-types phantom-compat, "
        "then install the one that you need."
    )
