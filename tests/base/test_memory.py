"""What a process does with the memory that it frees."""

import platform
import resource

import pytest
import torch
from psutil import Process

from pipeline.base.memory import keep_freed_memory, return_freed_memory

BYTES, BLOCKS = 10 * 2**20, 30


def new_pages() -> int:
    """Return how many pages the system gives for tensors that are filled and then freed."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    tensors = [torch.empty(BYTES, dtype=torch.uint8).fill_(1) for _ in range(BLOCKS)]
    assert len(tensors) == BLOCKS
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can keep freed memory")
def test_freed_memory_is_used_again_without_the_system():
    keep_freed_memory()
    for _ in range(6):  # until the blocks fit the holes that they left
        last = new_pages()
    assert last < BYTES * BLOCKS / resource.getpagesize() / 20


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can return freed memory")
def test_kept_memory_is_returned_on_request():
    keep_freed_memory()
    new_pages()
    kept = Process().memory_info().rss
    return_freed_memory()
    assert Process().memory_info().rss < kept - BYTES * BLOCKS / 2
