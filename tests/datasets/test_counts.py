"""Lists that are not what a dataset's configuration says."""

import re
from pathlib import Path

import pytest

from pipeline.base.errors import UserError
from pipeline.datasets.counts import check
from pipeline.datasets.listing import Entry, Listing
from pipeline.settings.dataset import CountsConfig, DatasetConfig

ROOT = Path(__file__).parents[2]


def test_the_readme_quotes_what_is_said_of_other_lists():
    counts = CountsConfig(train=2, val=0, test=0)
    stated = DatasetConfig(name="X", title="X", reader="folder", root=".", counts=counts)
    listing = Listing(["cat", "dog"], [Entry("cat/0.jpg", 0, "train", Path("cat/0.jpg"))])
    with pytest.raises(UserError, match="train images: found 1, stated 2") as refused:
        check(stated, listing)
    table = (ROOT / "docs" / "troubleshooting.md").read_text()
    quoted = re.findall(r"`(X: .*?) \.\.\.`", table)
    assert [str(refused.value).startswith(each) for each in quoted] == [True]
