"""The one interface that every method of the comparison implements."""

from abc import abstractmethod
from collections.abc import Hashable
from typing import Any, ClassVar

from torch import Tensor, nn

from thedit.config import Section
from thedit.methods.geometry import Geometry
from thedit.methods.motion import Motion
from thedit.shards.batch import FrameBatch, TrainBatch


class Method(nn.Module):
    """Encode a source once, then drive it with frames and cameras.

    The constructor takes the preset's name, the picture's side in pixels and the options of the method's spec. A
    method with parameters is trained by `thedit.training`, which minimises the sum of `losses`; one without
    (`trainable` false) is used as it is.
    """

    trainable: ClassVar[bool] = True
    camera_control: ClassVar[bool] = True
    linear: ClassVar[bool] = False
    """Whether its motion is a linear code over bases: `drive` is `show` of `motion_of`."""
    several: ClassVar[bool] = False
    """Whether K times as many sources as driving frames are taken as K pictures of each person, one after the other."""
    any_size: ClassVar[bool] = False
    """Whether sources may be larger than the size that it was built for; its pictures then are as large as they."""
    anew: ClassVar[tuple[str, ...]] = ()
    """How the names of parameters begin that a training from given weights does not take from them."""
    schema: ClassVar[type[Section]] = Section
    """Options that a file of weights may set; none unless a method declares them."""

    def losses(self, batch: TrainBatch, step: int) -> dict[str, Tensor]:
        """Named, weighted scalar losses of one optimiser step; the trainer minimises their sum."""
        raise TypeError(f"{type(self).__name__} has nothing to train")

    def capture_key(self, step: int) -> Hashable | None:
        """What the operations of `losses` depend on beside the batch, if a CUDA graph may capture them.

        Steps with equal keys compute the same; only the batch and the numbers drawn from torch's own generators
        differ. Losses that are captured draw on the batch's device and never wait for it. None: not to be captured.
        """
        return None

    def compilable(self) -> list[nn.Module]:
        """Parts whose layers torch.compile may fuse in training: those that a step calls, and that it can trace."""
        return []

    @property
    def doubles(self) -> float:
        """Share of the training pairs that somebody else drives who does the same, where the data have such people."""
        return 0.0

    @property
    def turned(self) -> float:
        """How much more often than a frontal frame one whose head is turned by 45 degrees is a target in training."""
        return 0.0

    def objections(self, source: FrameBatch) -> list[str]:
        """Why each of B sources cannot be animated, to be said to a user; empty where it can."""
        return [""] * len(source)

    def built(self) -> dict[str, Any]:
        """Options that build this method again, whatever its preset may become; none for one that takes none."""
        return {}

    @abstractmethod
    def encode(self, source: FrameBatch) -> Any:
        """Whatever `drive` needs of B sources; computed once a source."""

    @abstractmethod
    def drive(self, code: Any, driving: FrameBatch, camera: Tensor) -> Tensor:
        """The sources of ``code`` with the motion of ``driving`` seen by ``camera``.

        driving: B frames; camera (B, 25) -> pictures (B, 3, S, S), RGB in [-1, 1]. A method without camera control
        ignores ``camera`` and shows the driver's view.
        """

    def geometry(self, code: Any, driving: FrameBatch, camera: Tensor) -> Geometry:
        """What the pictures of `drive` show, as far as the method knows it."""
        return Geometry()

    def motion_of(self, code: Any, driving: FrameBatch) -> Motion:
        """How ``driving`` (B frames) moves the sources of ``code``; of a method that is `linear`."""
        raise TypeError(f"{type(self).__name__} has no linear motion code")

    def show(self, code: Any, motion: Motion, camera: Tensor) -> Tensor:
        """The sources of ``code`` in ``motion``, as `drive` shows them; of a method that is `linear`."""
        raise TypeError(f"{type(self).__name__} has no linear motion code")
