"""What is said where a program asks for what only the predecessor did."""


def not_here(name: str, instead: str) -> ImportError:
    """Return the error for a function of the predecessor that drove RLlib."""
    return ImportError(
        f"phantom.utils.rllib.{name} drives ray 2.7.1, which phantom-compat does not. RLlib itself trains on "
        f"phantom_pettingzoo.to_parallel(env): pip install phantom-pettingzoo 'ray[rllib]'. Without RLlib, "
        f"call {instead}, which takes the same env classes and policies."
    )
