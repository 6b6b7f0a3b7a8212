"""Plan after how many seeds an undecided comparison is looked at again."""

MOST_SEEDS = 100
"""Largest number of seeds that is ever recommended or spent."""
FEWEST_SEEDS = 3
"""Fewest seeds of a look: Student's critical value is 12.7 with two seeds, 4.3 with three."""


def planned_looks(budget: int) -> list[int]:
    """Return after how many seeds to look: ``budget``, its half, and so on down to FEWEST_SEEDS.

    Doubling the seeds halves the variance that they add.
    """
    looks = [budget]
    while (half := -(-looks[0] // 2)) >= FEWEST_SEEDS and half < looks[0]:
        looks.insert(0, half)
    return looks
