"""One owner at a time."""

from pipeline.base.locks import alone


def test_a_lock_has_one_owner_and_is_free_again(tmp_path):
    path = tmp_path / "locks" / "k.lock"
    with alone(path, "trial k"):
        assert path.exists()
    with alone(path, "trial k"):
        pass
