"""What a processor does by loops where nothing is learnt, against torch's own operations."""

import pytest
import torch

from thedit.kernels import render, sample


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("outside", ["border", "zeros"])
@pytest.mark.parametrize(("rows", "columns"), [(6, 6), (4, 9)])
def test_pictures_within_and_without(rows, columns, outside):
    picture, place = random(2, 5, rows, columns, seed=0), 1.2 * random(2, 150, 2, seed=1)
    place[0, :3] = torch.tensor([[-40.0, 0.3], [1e9, -1e9], [1.0, -1.0]])
    wanted = sample.sample(picture, place, outside)
    with torch.no_grad():
        found = sample.sample(picture.contiguous(memory_format=torch.channels_last), place, outside)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


def test_a_place_that_is_no_number_has_a_value_that_is_none():
    picture = random(1, 2, 4, 4, seed=0).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        for outside in ("border", "zeros"):
            assert sample.sample(picture, torch.full((1, 3, 2), torch.nan), outside).isnan().all()


@pytest.mark.parametrize("last", [False, True], ids=["channels first", "channels last"])
def test_planes_in_either_order(last):
    planes, points = random(2, 3 * 4, 8, 8, seed=0), 0.6 * random(2, 90, 3, seed=1)
    wanted = render.sample_planes(planes.unflatten(1, (3, 4)), points)
    if last:
        planes = planes.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        found = render.sample_planes(planes.unflatten(1, (3, 4)), points)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


def test_hidden_units_are_those_of_torch():
    x, weight, bias = 5 * random(700, 3, seed=0), random(6, 3, seed=1), 20 * random(6, seed=2)
    wanted = render.units(x, weight, bias)
    with torch.no_grad():
        torch.testing.assert_close(render.units(x, weight, bias), wanted, atol=2e-6, rtol=1e-6)
        into = torch.full((700, 8), 7.0)
        torch.testing.assert_close(render.units(x, weight, bias, into), wanted, atol=2e-6, rtol=1e-6)
    assert into[:, 6:].eq(7).all() and into[:, :6].ne(7).all()


def test_several_threads_find_what_one_does():
    planes, points, threads = random(1, 3, 4, 8, 8, seed=0), random(1, 91, 3, seed=1), torch.get_num_threads()
    try:
        found = []
        for count in (1, 3):
            torch.set_num_threads(count)
            with torch.no_grad():
                found.append(render.sample_planes(planes, points))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*found)
