"""One function for every tensor of a dataclass of tensors, however deep it lies."""

from collections.abc import Callable
from dataclasses import fields
from typing import TypeVar

from torch import Tensor

T = TypeVar("T")


def combine(function: Callable[..., Tensor], first: T, *others: T) -> T:
    """A dataclass like ``first`` whose tensors are ``function`` of those at the same place in all given ones.

    Fields may be tensors, such dataclasses, or None, which stays None.
    """
    if first is None:
        return first
    if isinstance(first, Tensor):
        return function(first, *others)  # type: ignore[return-value]
    columns = (field.name for field in fields(first))  # type: ignore[arg-type]
    return type(first)(*(combine(function, *(getattr(part, name) for part in (first, *others))) for name in columns))
