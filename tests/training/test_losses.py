import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.training.losses import mix, mixed_cross_entropy

smoothings = st.sampled_from([0.0, 0.1, 0.5])
lams = st.floats(0, 1)


def drawn(seed, images=6, classes=4):
    rng = torch.Generator().manual_seed(seed)
    logits = torch.randn(images, classes, generator=rng)
    labels = torch.randint(classes, (images,), generator=rng)
    return logits, labels, labels[torch.randperm(images, generator=rng)]


@given(st.integers(0, 1000), lams, smoothings)
def test_the_loss_is_the_cross_entropy_with_the_mixed_smoothed_targets(seed, lam, epsilon):
    """Paddle's MixCELoss with epsilon, written as one soft target distribution."""
    logits, labels, partners = drawn(seed)
    classes = logits.shape[1]

    def target(of):
        return (1 - epsilon) * torch.eye(classes)[of] + epsilon / classes

    soft = lam * target(labels) + (1 - lam) * target(partners)
    expected = -(soft * logits.log_softmax(1)).sum(1)
    torch.testing.assert_close(
        mixed_cross_entropy(logits, labels, partners, lam, epsilon), expected.mean()
    )
    torch.testing.assert_close(
        mixed_cross_entropy(logits, labels, partners, lam, epsilon, reduction="sum"),
        expected.sum(),
    )


@given(st.integers(0, 1000), smoothings)
def test_without_partners_it_is_the_plain_loss(seed, epsilon):
    logits, labels, _ = drawn(seed)
    plain = mixed_cross_entropy(logits, labels, None, 1.0, epsilon)
    torch.testing.assert_close(plain, mixed_cross_entropy(logits, labels, labels, 0.3, epsilon))


def test_half_precision_logits_are_measured_in_float32():
    logits, labels, partners = drawn(0)
    half = logits.bfloat16()
    found = mixed_cross_entropy(half, labels, partners, 0.4, 0.1)
    assert found.dtype == torch.float32
    assert found == mixed_cross_entropy(half.float(), labels, partners, 0.4, 0.1)


@given(lams)
def test_mixing_keeps_ends_and_stays_between(lam):
    a, b = torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4)
    mixed = mix(a, b, lam)
    torch.testing.assert_close(mixed, torch.full_like(a, 1 - lam))
    assert torch.equal(mix(a, b, 1.0), a)
    assert torch.equal(mix(a, b, 0.0), b)


@given(st.integers(0, 1000), lams, smoothings)
def test_weights_of_classes_multiply_the_loss_of_each_image(seed, lam, epsilon):
    logits, labels, partners = drawn(seed)
    weights = torch.tensor([0.0, 0.5, 1.0, 3.0])

    def each(of):
        loss = mixed_cross_entropy(logits, of, None, 1.0, epsilon, reduction="none")
        return weights[of] * loss

    expected = lam * each(labels) + (1 - lam) * each(partners)
    weighted = mixed_cross_entropy(logits, labels, partners, lam, epsilon, class_weights=weights)
    torch.testing.assert_close(weighted, expected.mean())
    summed = mixed_cross_entropy(logits, labels, partners, lam, epsilon, "sum", weights)
    torch.testing.assert_close(summed, expected.sum())
