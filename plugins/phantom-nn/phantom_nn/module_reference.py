"""From what a user's settings say to the class of a `torch.nn.Module`."""

from __future__ import annotations

from typing import Any

import phantom_core as ph


def import_module_class(title: str, network: object) -> Any:
    """Return the class that makes a module.

    Args:
        title: what the policy is called in messages.
        network: a class or function, or where to import it from: `"package.module:Class"`.

    Raises:
        ConfigError: if it cannot be imported, or is no class or function.
        TrustError: if a saved run of somebody else names it.
    """
    if callable(network):
        return network
    ph.trust.check_may_import(str(network), "network")
    try:
        found = ph.tools.import_object(str(network))
    except (ImportError, AttributeError, ValueError) as error:
        raise _refusal(title, network, f"cannot be imported: {error}") from error
    if not callable(found):
        raise _refusal(title, network, f"is a {type(found).__name__}")
    return found


def name_of_class(network: object) -> object:
    """Return what a checkpoint can hold: `"package.module:Class"` for a class, else what was given."""
    return f"{network.__module__}:{network.__qualname__}" if isinstance(network, type) else network


def _refusal(title: str, network: object, what: str) -> ph.errors.ConfigError:
    return ph.errors.ConfigError(
        f"{title} got network={network!r}, which {what}. Expected a torch.nn.Module class, or "
        "where to import it from, such as 'my_package.nets:PriceNet'."
    )
