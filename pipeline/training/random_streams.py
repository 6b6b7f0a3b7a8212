"""Make random generators from an address, such as (seed, epoch), never from what ran before."""

import zlib

import numpy as np


def generator(word: str, *address: int) -> np.random.Generator:
    """Return the generator for one purpose (``word``) at one address, such as (seed, epoch, step).

    Seed 0 is a seed like any other. Equal addresses give equal streams in every process, so a
    resumed trial needs no generator state.
    """
    return np.random.default_rng([zlib.crc32(word.encode()), *address])
