"""The resize without antialiasing gives OpenCV's bytes on every machine."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_sample_images

from pipeline.training.augment import Window, centre_crop, crop, random_box
from pipeline.training.bilinear import resample, taps

PHOTOS = [np.asarray(photo) for photo in load_sample_images().images]
SIDES = st.integers(1, 90)


def resized(image: np.ndarray, width: int, height: int) -> np.ndarray:
    rows, columns = taps(image.shape[0], height), taps(image.shape[1], width)
    return resample(image, rows, columns)


@pytest.mark.parametrize("number", range(40))
def test_crops_of_photographs_are_opencvs(number: int) -> None:
    photo = PHOTOS[number % 2]
    height, width = photo.shape[:2]
    box = random_box(width, height, (0.08, 1.0), "paddle", np.random.default_rng(number))
    left, top, right, bottom = box
    expected = cv2.resize(photo[top:bottom, left:right], (224, 224), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(crop(photo, Window(box, (224, 224)), 224, "opencv"), expected)


@pytest.mark.parametrize("photo", PHOTOS)
def test_the_centre_is_cut_from_the_resized_image(photo: np.ndarray) -> None:
    height, width = photo.shape[:2]
    target = (round(width * 256 / height), 256)
    whole = cv2.resize(photo, target, interpolation=cv2.INTER_LINEAR)
    left, top = (target[0] - 224) // 2, 16
    expected = whole[top : top + 224, left : left + 224]
    assert np.array_equal(centre_crop(photo, 256, 224, "opencv"), expected)


@settings(max_examples=150)
@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 2**32 - 1))
def test_any_sizes_give_opencvs_bytes(h: int, w: int, to_h: int, to_w: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (h, w, 3), np.uint8)
    expected = cv2.resize(image, (to_w, to_h), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(resized(image, to_w, to_h), expected)


@given(SIDES, SIDES, st.integers(0, 255))
def test_one_colour_stays(h: int, w: int, value: int) -> None:
    image = np.full((h, w, 3), value, np.uint8)
    assert (resized(image, 17, 31) == value).all()


@given(SIDES, SIDES, st.data())
def test_a_part_of_the_output_equals_the_same_part_of_the_whole(
    source: int, target: int, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, target - 1))
    count = data.draw(st.integers(1, target - start))
    part, whole = taps(source, target, start, count), taps(source, target)
    for mine, all_of_it in zip(part, whole, strict=True):
        assert np.array_equal(mine, all_of_it[start : start + count])


def test_the_same_bytes_wherever_it_runs() -> None:
    image = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3) * 7
    assert resized(image, 3, 2)[..., 0].tolist() == [[124, 173, 158], [171, 221, 78]]
