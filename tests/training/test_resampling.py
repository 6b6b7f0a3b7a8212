"""Crops as tensor operations have the host's bytes: Pillow's and bilinear.py's, for any size."""

import importlib
import os
import sys
from importlib.util import find_spec
from threading import Barrier, get_native_id
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import training
from pipeline.base.errors import UserError
from pipeline.settings.schema import RecipeConfig
from pipeline.training import cropping, resampling
from pipeline.training.augment import Window, centre_window, crop, random_box, random_window
from pipeline.training.cropping import NICENESS, DeviceCropper, HostCropper, cropper
from pipeline.training.resampling import planned, summed
from tests.support.mutants import mutated
from tests.support.mutations import CROPS

CPU = torch.device("cpu")
RESIZES = ["antialias", "opencv"]


class Images:
    """A store in memory of random images, of sizes given as (width, height)."""

    def __init__(self, sizes, seed):
        self.sizes = sizes
        ends = np.cumsum([3 * w * h for w, h in sizes])
        self.offsets = np.concatenate([[0], ends[:-1]])
        self.pixels = np.random.default_rng(seed).integers(0, 256, ends[-1], np.uint8)
        self.digest = f"{seed} {sizes}"

    def size(self, row):
        return self.sizes[row]

    def image(self, row):
        (width, height), start = self.sizes[row], self.offsets[row]
        return self.pixels[start : start + 3 * width * height].reshape(height, width, 3)


@st.composite
def batches(draw, longest=420):
    """Images, and a window of each: drawn as training does, the centre, or any box at all."""
    size = draw(st.integers(7, 48))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    windows, sides = [], st.integers(1, longest)
    sizes = draw(st.lists(st.tuples(sides, sides), min_size=1, max_size=4))
    for width, height in sizes:
        kind = draw(st.sampled_from(["torchvision", "paddle", "centre", "any"]))
        if kind == "centre":
            short_side = draw(st.integers(size, size + 20))
            windows.append(centre_window(width, height, short_side, size))
            continue
        if kind == "any":
            left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
            right = draw(st.integers(left + 1, width))
            box = (left, top, right, draw(st.integers(top + 1, height)))
        else:
            box = random_box(width, height, (0.05, 1.0), kind, rng)
        windows.append(Window(box, (size, size), flip=draw(st.booleans())))
    return Images(sizes, draw(st.integers(0, 99))), windows, size


def recipe_of(size, resize):
    return RecipeConfig(name="r", epochs=1, image_size=32, resize=resize).model_copy(
        update={"image_size": size}
    )


@settings(max_examples=150)
@given(batches(), st.sampled_from(RESIZES))
def test_crops_have_the_bytes_of_the_host(batch, resize):
    store, windows, size = batch
    rows, recipe = np.arange(len(windows)), recipe_of(size, resize)
    expected = HostCropper(store, recipe).crops(rows, windows)
    pixels = torch.from_numpy(store.pixels).view(-1, 3)
    assert torch.equal(DeviceCropper(store, recipe, CPU, pixels).crops(rows, windows), expected)
    assert torch.equal(DeviceCropper(store, recipe, CPU, None).crops(rows, windows), expected)


@pytest.mark.parametrize("resize", RESIZES)
def test_crops_of_the_recipes_size_have_the_bytes_of_the_host(resize):
    sizes = [(341, 256), (256, 384), (500, 375), (1500, 300)]
    store, rng = Images(sizes, 0), np.random.default_rng(1)
    recipe = RecipeConfig(name="r", epochs=1, resize=resize, crop_sampling="paddle")
    rows = np.arange(len(sizes)).repeat(3)
    windows = [
        centre_window(*sizes[row], 256, 224)
        if n % 3 == 0
        else random_window(*sizes[row], recipe, rng)
        for n, row in enumerate(rows)
    ]
    expected = HostCropper(store, recipe).crops(rows, windows)
    there = cropper(store, recipe, "device", "cpu")
    assert torch.equal(there.crops(rows, windows), expected)


def require_the_hosts_bytes(device_cropper):
    """Compare crops of all kinds: reduced, enlarged, turned, at each border, mirrored, centred."""
    sizes = [(60, 60), (97, 41), (33, 210), (48, 60), (24, 24), (12, 9)]
    boxes = [(0, 0, 1, 1), (3, 5, 12, 9), (1, 0, 12, 8), (0, 2, 7, 9)]
    store = Images(sizes, 5)
    cuts = [(row, Window(box, (24, 24), flip=row % 2 == 0)) for row in range(6) for box in boxes]
    cuts += [(row, Window((0, 0, *store.size(row)), (24, 24), flip=row > 1)) for row in range(6)]
    cuts += [(row, centre_window(*store.size(row), 28, 24)) for row in range(6)]
    rows, windows = np.array([row for row, _ in cuts]), [window for _, window in cuts]
    pixels = torch.from_numpy(store.pixels).view(-1, 3)
    for resize in RESIZES:
        recipe = recipe_of(24, resize)
        expected = HostCropper(store, recipe).crops(rows, windows)
        for kept in (pixels, None):
            there = device_cropper(store, recipe, CPU, kept)
            assert torch.equal(there.crops(rows, windows), expected)


def test_the_crops_that_find_mutants_have_the_bytes_of_the_host():
    require_the_hosts_bytes(DeviceCropper)


@pytest.mark.parametrize("name", CROPS)
def test_a_changed_crop_is_noticed(name, monkeypatch):
    path, old, new = CROPS[name]
    changed = ModuleType(path)
    exec(mutated(path, old, new), changed.__dict__)
    if path == "training/resampling.py":
        monkeypatch.setattr(cropping, "planned", changed.planned)
        monkeypatch.setattr(cropping, "_summing", lambda _: changed.summed)
    with pytest.raises((AssertionError, IndexError, ValueError)):
        require_the_hosts_bytes(getattr(changed, "DeviceCropper", DeviceCropper))


def test_some_images_at_a_time_give_the_same_bytes(monkeypatch):
    store = Images([(40, 30), (90, 200), (33, 70)], 3)
    windows = [centre_window(*store.size(row), 24, 20) for row in range(3)]
    there = cropper(store, recipe_of(20, "antialias"), "device", "cpu")
    whole = there.crops(np.arange(3), windows)
    monkeypatch.setattr(resampling, "CHUNK_BYTES", 1)
    assert torch.equal(there.crops(np.arange(3), windows), whole)


def test_a_store_is_copied_once_and_only_while_it_is_small(monkeypatch):
    store = Images([(30, 20)], 1)
    monkeypatch.setattr(cropping, "free_bytes", lambda _: 3 * len(store.pixels) + 1)
    first = cropping.resident(store, CPU)
    assert first.shape == (600, 3)
    monkeypatch.setattr(cropping, "free_bytes", lambda _: 3 * len(store.pixels))
    assert cropping.resident(store, CPU) is first
    assert cropping.resident(Images([(30, 20)], 2), CPU) is None
    assert not cropping._kept  # the memory of the first is free again


def test_a_store_that_does_not_fit_after_all_is_not_kept(monkeypatch):
    """As when another trial on the card was faster."""

    def full(*_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(cropping, "_shared", full)
    assert cropping.resident(Images([(30, 20)], 3), CPU) is None


@pytest.mark.parametrize("size", [3, 30, 3000])
def test_a_store_is_copied_whole_in_parts(monkeypatch, size):
    monkeypatch.setattr(cropping, "_COPY_BYTES", size)
    pixels = torch.from_numpy(Images([(7, 5)], 0).pixels).view(-1, 3)
    copy = cropping._copied(pixels, CPU)
    assert torch.equal(copy, pixels)
    assert copy.data_ptr() != pixels.data_ptr()


@pytest.mark.parametrize("works", [True, False])
def test_a_card_uses_the_kernel_if_it_works_there(monkeypatch, capsys, works):
    def kernel(*_):
        if not works:
            raise RuntimeError("no C compiler")

    module = ModuleType("resampling_kernel")
    module.summed = kernel
    monkeypatch.setattr(training, "resampling_kernel", module, raising=False)
    monkeypatch.setattr(cropping, "find_spec", lambda _: True)
    monkeypatch.setattr(cropping, "_probe", lambda *_: (None, None, None))
    chosen = cropping._summing.__wrapped__(torch.device("cuda"))
    assert chosen is (kernel if works else summed)
    said = "without the Triton kernel (RuntimeError: no C compiler)" in capsys.readouterr().err
    assert said is not works


def test_threads_of_the_host_change_no_byte():
    store, recipe, rows = Images([(90, 70)], 4), recipe_of(24, "antialias"), np.zeros(50, np.int64)
    rng = np.random.default_rng(0)
    windows = [random_window(90, 70, recipe, rng) for _ in rows]
    croppers = [HostCropper(store, recipe, *how) for how in ((1,), (3,), (1, True), (3, True))]
    first, *others = [each.crops(rows, windows) for each in croppers]
    assert all(torch.equal(first, other) for other in others)


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux nice changes one thread")
@pytest.mark.parametrize(("device", "lower"), [("cpu", NICENESS), ("cuda", 0)])
def test_only_threads_that_cut_beside_a_network_on_the_processor_give_way(device, lower):
    def niceness():
        return os.getpriority(os.PRIO_PROCESS, get_native_id())

    seen = set()

    class Seen(Images):
        def image(self, row):
            seen.add(niceness())
            return super().image(row)

    cut = cropper(Seen([(30, 20)], 1), recipe_of(24, "antialias"), "host", device)
    cut.crops(np.zeros(4, np.int64), [Window((0, 0, 30, 20), (24, 24))] * 4)
    assert seen == {niceness() + lower}


@pytest.mark.parametrize(("device", "threads", "at_once"), [("cpu", 8, 2), ("cuda", 3, 3)])
def test_several_threads_of_the_host_cut_crops_where_the_network_leaves_them(
    monkeypatch, device, threads, at_once
):
    meeting = Barrier(at_once)

    class Met(Images):
        def image(self, row):
            meeting.wait(timeout=60)  # raises unless that many threads come here
            return super().image(row)

    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    cut = cropper(Met([(30, 20)], 1), recipe_of(24, "antialias"), "host", device)
    whole = Window((0, 0, 30, 20), (24, 24), flip=False)
    assert len(cut.crops(np.zeros(2 * at_once, np.int64), [whole] * (2 * at_once))) == 2 * at_once


def test_other_bytes_than_the_hosts_are_refused(monkeypatch):
    """For example those of Pillow 12, which never begins with the vertical axis."""
    monkeypatch.setattr(cropping, "crop", lambda *arguments: crop(*arguments) ^ 1)
    cropping._require_equal.cache_clear()
    with pytest.raises(UserError, match=r"differ from those of Pillow .* Set machine.data=host"):
        cropper(Images([(30, 20)], 1), recipe_of(32, "antialias"), "device", "cpu")


def plan_of(batch, resize):
    store, windows, size = batch
    places = [
        cropping._place(
            int(store.offsets[row]) // 3 + w.box[1] * store.size(row)[0] + w.box[0],
            store.size(row)[0],
            w,
        )
        for row, w in enumerate(windows)
    ]
    pixels = torch.from_numpy(store.pixels).view(-1, 3)
    return pixels, planned(np.array(places, np.int64), size, resize, CPU)


triton = pytest.mark.skipif(find_spec("triton") is None, reason="needs Triton")


@pytest.fixture
def interpreted(monkeypatch):
    """The kernel in Triton's interpreter, which needs no accelerator."""
    from pipeline.training import resampling_kernel

    monkeypatch.setenv("TRITON_INTERPRET", "1")
    yield importlib.reload(resampling_kernel)
    monkeypatch.undo()
    importlib.reload(resampling_kernel)


@triton
@pytest.mark.parametrize("resize", RESIZES)
def test_the_kernel_gives_the_bytes_of_the_tensor_code(interpreted, resize):
    @settings(max_examples=4)
    @given(batches(60))
    def equal(batch):
        pixels, plan = plan_of(batch, resize)
        assert torch.equal(interpreted.summed(pixels, plan), summed(pixels, plan))

    equal()


@triton
def test_the_kernel_compiles_for_cards_without_one_here():
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from pipeline.training import resampling_kernel

    bits = resampling.ROUNDING["opencv"]
    constants = dict(zip(resampling_kernel.BITS, bits, strict=True))
    types = ["*u8", *["*i64"] * 5, "*i32", "*i64", "*i64", "*i32", "*i8", "*i8", "*u8"]
    types += [*["i32"] * 3, *["constexpr"] * 5]
    signature = dict(zip(resampling_kernel._sum.arg_names, types, strict=True))
    source = ASTSource(
        resampling_kernel._sum, signature, {**constants, "block": resampling_kernel.BLOCK}
    )
    compiled = triton.compile(source, target=GPUTarget("cuda", 80, 32))
    assert "cubin" in compiled.asm


def test_the_definition_is_a_function_of_the_places_alone():
    pixels, plan = plan_of((Images([(9, 8)], 0), [Window((0, 0, 9, 8), (7, 7))], 7), "opencv")
    places = np.array([[0, 9, 9, 8, 7, 7, 0, 0, 0]], np.int64)
    again = planned(places, 7, "opencv", pixels.device)
    assert torch.equal(summed(pixels, again), summed(pixels, plan))
