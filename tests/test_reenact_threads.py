"""Threads of `thedit reenact`: in order, only a few items ahead, and no error is lost."""

import threading

import pytest

from thedit.errors import UserError
from thedit.reenact.picture import ahead, in_order


def test_frames_are_taken_only_a_few_ahead():
    made: list[int] = []

    def items():
        for number in range(300):
            made.append(number)
            yield number

    furthest = 0
    for number, doubled in enumerate(in_order(lambda item: 2 * item, ahead(items(), 8), 2)):
        assert doubled == 2 * number
        furthest = max(furthest, len(made) - number)
    assert len(made) == 300
    assert furthest <= 8 + 2 * 2 + 3  # in the queue, in work, and in hands


def test_an_error_of_a_thread_is_raised_where_its_items_are_used():
    def items():
        yield 1
        raise UserError("spoiled")

    before = set(threading.enumerate())
    with pytest.raises(UserError, match="spoiled"):
        list(ahead(items(), 4))
    assert set(threading.enumerate()) <= before
