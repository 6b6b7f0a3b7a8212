import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import RandomResizedCrop

from pipeline.training.augment import ASPECT, Window, centre_crop, crop, random_box
from pipeline.training.random_streams import generator

sides = st.integers(1, 400)
seeds = st.integers(0, 2**32)
scales = st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)).map(sorted).map(tuple)


@given(sides, sides, scales, st.sampled_from(["torchvision", "paddle"]), seeds)
def test_every_box_lies_in_the_image(width, height, scale, sampling, seed):
    left, top, right, bottom = random_box(width, height, scale, sampling, generator("x", seed))
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


@given(st.integers(60, 400), st.integers(60, 400), seeds)
def test_a_paddle_box_has_the_drawn_area_and_aspect(width, height, seed):
    """PaddleClas: aspect a uniform in [3/4, 4/3], area within [min(.08, b), min(1, b)] of all,
    with b = min(W/H / a, H/W * a); w and h rounded down."""
    left, top, right, bottom = random_box(
        width, height, (0.08, 1.0), "paddle", generator("x", seed)
    )
    w, h = right - left, bottom - top
    assert w / (h + 1) <= ASPECT[1]
    assert (w + 1) / h >= ASPECT[0]
    area = width * height
    assert w * h <= area
    least = min(0.08, min(width / height, height / width) * ASPECT[0])
    assert (w + 1) * (h + 1) >= least * area


def boxes(width, height, sampling, number=1500, scale=(0.08, 1.0)):
    rng = generator("boxes", width, height)
    drawn = [random_box(width, height, scale, sampling, rng) for _ in range(number)]
    return np.array([(b[0], b[1], b[2] - b[0], b[3] - b[1]) for b in drawn], float)


@pytest.mark.parametrize(("width", "height"), [(256, 256), (384, 256), (256, 700)])
def test_torchvision_boxes_are_distributed_as_its_own(width, height):
    torch.manual_seed(0)
    image = torch.empty(3, height, width)
    own = [RandomResizedCrop.get_params(image, [0.08, 1.0], list(ASPECT)) for _ in range(1500)]
    expected = np.array([(left, top, w, h) for top, left, h, w in own], float)
    found = boxes(width, height, "torchvision")
    for probability in (0.1, 0.25, 0.5, 0.75, 0.9):
        difference = np.quantile(found, probability, axis=0) - np.quantile(
            expected, probability, axis=0
        )
        assert np.abs(difference).max() < 0.05 * max(width, height)


@pytest.mark.parametrize(("width", "height"), [(1000, 20), (20, 1000), (30, 30)])
def test_what_never_fits_falls_back_on_torchvisions_centre(width, height):
    """With a scale above what any aspect allows all ten tries fail, here and there."""
    image = torch.empty(3, height, width)
    top, left, h, w = RandomResizedCrop.get_params(image, [4.0, 4.0], list(ASPECT))
    box = random_box(width, height, (4.0, 4.0), "torchvision", generator("x", 0))
    assert box == (left, top, left + w, top + h)


def test_the_aspect_is_log_uniform_in_torchvision_and_uniform_in_paddle():
    def share_of_wide(sampling):
        found = boxes(4000, 4000, sampling, scale=(0.1, 0.5))
        return float((found[:, 2] > found[:, 3]).mean())

    assert share_of_wide("torchvision") == pytest.approx(0.5, abs=0.03)
    uniform = (4 / 3 - 1) / (4 / 3 - 3 / 4)
    assert share_of_wide("paddle") == pytest.approx(uniform, abs=0.03)


@st.composite
def images(draw, least=1, most=80):
    height, width = draw(st.integers(least, most)), draw(st.integers(least, most))
    return np.random.default_rng(draw(seeds)).integers(0, 256, (height, width, 3), np.uint8)


@given(images(), st.integers(8, 40), st.integers(0, 20))
def test_a_centre_crop_is_pils_byte_for_byte(image, size, more):
    resize = size + more
    picture = Image.fromarray(image)
    width, height = picture.size
    if min(width, height) != resize:
        factor = resize / min(width, height)
        picture = picture.resize(
            (round(width * factor), round(height * factor)), Image.Resampling.BILINEAR
        )
    left, top = (picture.width - size) // 2, (picture.height - size) // 2
    expected = picture.crop((left, top, left + size, top + size))
    found = centre_crop(image, resize, size)
    assert found.shape == (size, size, 3)
    assert found.tobytes() == expected.tobytes()


@given(images(least=4), seeds)
def test_a_crop_is_pils_and_leaves_the_image_alone(image, seed):
    before = image.copy()
    height, width = image.shape[:2]
    box = random_box(width, height, (0.1, 1.0), "torchvision", generator("x", seed))
    expected = Image.fromarray(image).crop(box).resize((16, 16), Image.Resampling.BILINEAR)
    assert crop(image, Window(box, (16, 16)), 16).tobytes() == expected.tobytes()
    assert np.array_equal(image, before)


def test_addresses_give_equal_streams_and_differ_in_every_part():
    def draws(*address):
        return tuple(generator(*address).random(3))

    assert draws("crop", 7, 1, 2) == draws("crop", 7, 1, 2)
    addresses = [("crop", 7, 1, 2), ("crop", 7, 2, 1), ("crop", 0, 1, 2), ("mixup", 7, 1, 2)]
    assert len({draws(*address) for address in addresses}) == len(addresses)
    assert math.isfinite(draws("order", 0)[0])
