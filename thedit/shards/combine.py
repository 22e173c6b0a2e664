"""One function for every tensor of a dataclass of tensors, however deep it lies."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

from torch import Tensor

T = TypeVar("T")


def combine(function: Callable[..., Tensor], first: T, *others: T) -> T:
    """A dataclass like ``first`` whose tensors are ``function`` of those at the same place in all given ones.

    Fields may be tensors, such dataclasses, or None, which stays None. What stands at several places in all of them is
    made once, and stands at these places in the result.
    """
    made: dict[tuple[int, ...], Any] = {}

    def made_of(first: Any, *others: Any) -> Any:
        if first is None:
            return None
        key = tuple(map(id, (first, *others)))
        if key not in made:
            if isinstance(first, Tensor):
                made[key] = function(first, *others)
            else:
                names = (field.name for field in fields(first))
                made[key] = type(first)(*(made_of(*(getattr(one, name) for one in (first, *others))) for name in names))
        return made[key]

    return made_of(first, *others)
