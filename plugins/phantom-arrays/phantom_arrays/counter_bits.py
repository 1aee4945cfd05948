"""Random bits from counters: a bijection of 64-bit integers, applied to what a draw is called.

The bijection is the finaliser of SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number
generators", OOPSLA, with the constants of Stafford's variant 13):

    mix(x):  x ^= x >> 30;  x *= 0xBF58476D1CE4E5B9;  x ^= x >> 27;  x *= 0x94D049BB133111EB;  x ^= x >> 31

all modulo 2⁶⁴. With G = 0x9E3779B97F4A7C15, the odd integer nearest to 2⁶⁴ / φ, the bits of a draw are

    bits = mix(mix(mix(seed + G) + t G) + name + (i + 1) G)

for the episode's seed, its step t (0: the reset), the 64-bit hash of the name of the draw, and the member i.
So they depend on nothing else: not on the copies beside it, nor on what was drawn before.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

GOLDEN: Final = 0x9E3779B97F4A7C15
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_MASK: Final = 2**64 - 1

_U = np.uint64
_GOLDEN, _C1, _C2 = _U(GOLDEN), _U(_FIRST), _U(_SECOND)
_30, _27, _31 = _U(30), _U(27), _U(31)

Bits = NDArray[np.uint64]


def mixed_int(x: int) -> int:
    """Return mix(x) of one integer.

    >>> hex(mixed_int(GOLDEN))
    '0xe220a8397b1dcdaf'
    """
    x &= _MASK
    x ^= x >> 30
    x = x * _FIRST & _MASK
    x ^= x >> 27
    x = x * _SECOND & _MASK
    return x ^ x >> 31


def mix(x: Bits, scratch: Bits) -> Bits:
    """Replace each element of an array by mix of it; `scratch` is of the same shape. Return the array."""
    np.right_shift(x, _30, out=scratch)
    np.bitwise_xor(x, scratch, out=x)
    np.multiply(x, _C1, out=x)
    np.right_shift(x, _27, out=scratch)
    np.bitwise_xor(x, scratch, out=x)
    np.multiply(x, _C2, out=x)
    np.right_shift(x, _31, out=scratch)
    np.bitwise_xor(x, scratch, out=x)
    return x


def episode_key(seed: int) -> int:
    """Return mix(seed + G), the key of an episode."""
    return mixed_int(seed + GOLDEN)


def step_keys(episode_keys: Bits, steps: NDArray[Any]) -> Bits:
    """Return mix(key + t G) for the key of each copy's episode and its step; shapes are broadcast."""
    x = steps.astype(_U) * _GOLDEN + episode_keys
    return mix(x, np.empty_like(x))


def member_offsets(members: NDArray[np.int64]) -> Bits:
    """Return (i + 1) G for each member i."""
    offsets: Bits = (members.astype(_U) + _U(1)) * _GOLDEN
    return offsets
