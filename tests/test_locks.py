"""One owner at a time."""

from pipeline.locks import owning


def test_a_trial_has_one_owner(project):
    with owning("k", "trial k"):
        assert list((project.folder / "runs" / "locks").glob("k.lock"))
    with owning("k", "trial k"):
        pass
