# mypy: ignore-errors
"""One person on the device: meshes, materials, and the launches that make pictures of it."""

import numpy as np
import torch
import warp as wp
from torch import Tensor

from thedit import camera
from thedit.heads import casting, deforming, shading
from thedit.heads.assets import LABELS, Assets
from thedit.heads.figure import Figure
from thedit.heads.frames import Frames
from thedit.heads.neck import NECK, body_turn
from thedit.heads.scene import Scene

SKY_RAYS = 32
FRAMES_AT_ONCE = {"cpu": 1, "cuda": 64}


class Stage:
    """One person on the device, with meshes for as many frames as are rendered at once."""

    def __init__(self, figure: Figure, assets: Assets, size: int, device: str, batch: int):
        self.device, self.size = device, size
        self.figure = figure
        self.batch = batch
        vertices = len(figure.base)
        self.base, self.follow = self._array(figure.base, wp.vec3), self._array(figure.follow, wp.float32)
        self.blendshapes = self._array(figure.blendshapes, wp.vec3)
        self.points = self._array(np.tile(figure.base, (self.batch, 1, 1)), wp.vec3)
        self.normals = wp.empty((self.batch, vertices), dtype=wp.vec3, device=device)
        indices = self._array(figure.triangles.ravel(), wp.int32)
        self.meshes = [wp.Mesh(self.points[i], indices) for i in range(self.batch)]
        self.mesh_ids = self._array(np.array([mesh.id for mesh in self.meshes], np.uint64), wp.uint64)
        hair = figure.hair
        self.hair = wp.Mesh(self._array(hair.vertices, wp.vec3), self._array(hair.triangles.ravel(), wp.int32))

        solid = figure.triangles[figure.label < LABELS["lashes"]]
        order = np.argsort(solid.ravel(), kind="stable")
        counts = np.bincount(solid.ravel(), minlength=vertices)
        self.first = self._array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32), wp.int32)
        self.around = self._array((order // 3).astype(np.int32), wp.int32)
        self.still = self._array(figure.normal, wp.vec3)
        self.triangles = self._array(figure.triangles, wp.int32)
        self.samples = wp.empty((self.batch, size, size), dtype=shading.Sample, device=device)
        self.image = torch.empty(self.batch, size, size, 3, dtype=torch.uint8, device=device)
        self._maps: dict[str, torch.Tensor] = {}
        self.look = self._look(assets)

    def render(
        self, expression: Tensor, cameras: Tensor, recorded: Tensor, window: Tensor, scene: Scene, maps: int
    ) -> Frames:
        """See `Renderer.render`."""
        pieces = []
        for start in range(0, len(expression), self.batch):
            part = slice(start, start + self.batch)
            drawn = self.draw(expression[part], cameras[part], recorded[part], window[part], scene, maps)
            pieces.append({name: tensor.cpu().numpy().copy() for name, tensor in drawn.items()})
        return Frames(**{name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]})

    def draw(
        self, expression: Tensor, cameras: Tensor, recorded: Tensor, window: Tensor, scene: Scene, maps: int
    ) -> dict[str, Tensor]:
        """Up to a batch of frames on the device, by the names of `Frames`, valid until the next call; see `render`."""
        if self.device == "cuda":  # torch and warp must not overtake each other
            with wp.ScopedStream(wp.stream_from_torch(torch.cuda.current_stream())):
                return self._draw(expression, cameras, recorded, window, scene, maps)
        return self._draw(expression, cameras, recorded, window, scene, maps)

    def _draw(
        self, expression: Tensor, cameras: Tensor, recorded: Tensor, window: Tensor, scene: Scene, maps: int
    ) -> dict[str, Tensor]:
        frames = len(expression)
        turn = self._array(body_turn(recorded, scene.body_yaw).numpy(), wp.vec3)
        weights = self._array(expression.float().cpu().numpy(), wp.float32)
        inputs = [self.base, self.blendshapes, self.follow, weights, turn, wp.vec3(*NECK), self.points]
        wp.launch(deforming.deform, dim=(frames, len(self.figure.base)), inputs=inputs, device=self.device)
        for mesh in self.meshes[:frames]:
            mesh.refit()
        self._normals(frames)
        view, light = self._view(cameras, recorded, window), self._light(scene)
        inputs = [self.look, light, view, self.samples]
        size = (frames, self.size, self.size)
        wp.launch(casting.cast, dim=size, inputs=inputs, device=self.device)
        wp.launch(casting.refine, dim=size, inputs=[*inputs, wp.from_torch(self.image)], device=self.device)
        drawn = {"image": self.image}
        if maps:
            drawn |= self._survey(view, frames, maps)
        return {name: tensor[:frames] for name, tensor in drawn.items()}

    def _survey(self, view: shading.View, frames: int, side: int) -> dict[str, Tensor]:
        if not self._maps or self._maps["mask"].shape[1] != side:
            cells = (self.batch, side, side)
            self._maps = {
                "mask": torch.empty(*cells, dtype=torch.uint8, device=self.device),
                "depth": torch.empty(*cells, device=self.device),
                "triangle": torch.empty(*cells, dtype=torch.int32, device=self.device),
                "barycentric": torch.empty(*cells, 2, device=self.device),
            }
        vectors = {"barycentric": wp.vec2}
        outputs = [wp.from_torch(tensor, dtype=vectors.get(name)) for name, tensor in self._maps.items()]
        wp.launch(casting.survey, dim=(frames, side, side), inputs=[self.look, view, *outputs], device=self.device)
        return self._maps

    def _normals(self, frames: int) -> None:
        inputs = [self.points, self.triangles, self.first, self.around, self.still]
        dim = (frames, len(self.figure.base))
        wp.launch(deforming.vertex_normals, dim=dim, inputs=inputs, outputs=[self.normals], device=self.device)

    def _look(self, assets: Assets) -> shading.Look:
        figure, person, look = self.figure, self.figure.person, shading.Look()
        look.triangles = self.triangles
        look.label = self._array(figure.label, wp.int32)
        look.uv = self._array(assets.uv.numpy(), wp.vec2)
        look.rest = self._array(figure.rest, wp.vec3)
        look.tangent = self._array(figure.tangent, wp.vec3)
        look.tint = self._array(figure.tint, wp.vec3)
        look.anchor = self._array(figure.anchor, wp.int32)
        look.anchor_weights = self._array(figure.anchor_weights, wp.vec2)
        look.texture = self._array(figure.texture, wp.vec4)
        look.hair = self.hair.id
        look.hair_triangles = self._array(figure.hair.triangles, wp.int32)
        look.hair_normal = self._array(figure.hair.normal, wp.vec3)
        look.hair_tangent = self._array(figure.hair.tangent, wp.vec3)
        look.hair_tint = self._array(figure.hair.tint, wp.vec3)
        look.eye_left, look.eye_right = (wp.vec3(*_eye_centre(assets, part)) for part in (2, 3))
        look.iris, look.iris_size, look.pupil_size = wp.vec3(*person.iris), person.iris_size, 0.19
        look.pore_seed, look.pore_depth = person.seed % 2**31, 0.10 + 0.12 * person.age
        look.occlusion = wp.empty(len(figure.base), dtype=wp.float32, device=self.device)
        self._normals(1)
        inputs = [self.meshes[0].id, self.hair.id, self.points, self.normals, SKY_RAYS]
        dim = len(assets.mean)
        look.occlusion.fill_(0.8)
        wp.launch(casting.sky_visibility, dim=dim, inputs=inputs, outputs=[look.occlusion], device=self.device)
        return look

    def _light(self, scene: Scene) -> shading.Light:
        light = shading.Light()
        light.key, light.key_colour = wp.vec3(*scene.key.tolist()), wp.vec3(*scene.key_colour.tolist())
        light.ambient = self._array(scene.ambient, wp.vec3)
        light.background = self._array(scene.background, wp.vec3)
        light.softness, light.exposure = scene.softness, scene.exposure
        return light

    def _view(self, cameras: Tensor, recorded: Tensor, window: Tensor) -> shading.View:
        cam2world, intrinsics = camera.split(cameras.float().cpu())
        view = shading.View()
        view.rotation = self._array(cam2world[:, :3, :3].numpy(), wp.mat33)
        view.centre = self._array(cam2world[:, :3, 3].numpy(), wp.vec3)
        view.lens = self._array(torch.linalg.inv(intrinsics).numpy(), wp.mat33)
        view.room = self._array(camera.split(recorded.float().cpu())[0][:, :3, :3].numpy(), wp.mat33)
        view.window = self._array(window.float().cpu().numpy(), wp.vec3)
        view.meshes, view.normals = self.mesh_ids, self.normals
        return view

    def _array(self, values: np.ndarray, dtype: type) -> wp.array:
        return wp.array(np.ascontiguousarray(values), dtype=dtype, device=self.device)


def _eye_centre(assets: Assets, part: int) -> list[float]:
    """Centre of the sphere through an eyeball's vertices on the mean face, by least squares."""
    points = assets.mean[assets.triangles[assets.part == part].long().unique()].double()
    system = torch.cat([2 * points, torch.ones(len(points), 1, dtype=torch.float64)], 1)
    return torch.linalg.lstsq(system, (points**2).sum(1, keepdim=True)).solution[:3, 0].tolist()
