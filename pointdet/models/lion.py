"""LION: linear group RNNs for 3D object detection in point clouds (Liu et al., NeurIPS 2024).

Points become voxels with features (:mod:`pointdet.models.voxel_encoder`). The 3D backbone sorts the voxels window by
window, cuts the order into equal groups of up to thousands of voxels, and runs a linear RNN over each group. Around
that: a submanifold convolution that restores 3D neighbourhood, merging and expanding of voxels, and voxel generation,
which grows new voxels around those that respond most. The last voxels are laid out as a bird's-eye map for a 2D
network and a head: of anchors, as on KITTI, of centres, as on Waymo, or of queries, as on nuScenes. On Argoverse 2
there is no map: three more layers on the ground plane, and a head that speaks at voxels only.

Reading order: LIONLayer, PatchMerging, LIONBlock, LIONBackbone, LION.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from pointdet.boxes.detections import Detections
from pointdet.models.anchor_head import AnchorHead, AnchorSettings, HeadSettings, kitti_anchors
from pointdet.models.bev_backbone import BEVBackbone, BEVSettings
from pointdet.models.bev_map import bev_map, sparse_bev_map, sparse_maps_serve
from pointdet.models.center_head import CenterHead, CenterHeadSettings
from pointdet.models.lion_blocks import Operator, operator_block
from pointdet.models.residual_backbone import ResidualBEVBackbone, ResidualBEVSettings
from pointdet.models.sparse_center_head import SparseCenterHead, SparseCenterHeadSettings
from pointdet.models.transfusion_head import TransFusionHead
from pointdet.models.transfusion_settings import TransFusionSettings
from pointdet.models.voxel_encoder import DynamicVoxelEncoder
from pointdet.ops.segments import Segments, segment_expand, segment_sum
from pointdet.ops.sparse_map import BlockMap
from pointdet.ops.submanifold import submanifold_conv
from pointdet.ops.voxelize import grid_shape, voxelize
from pointdet.ops.voxels import VoxelGrid, Voxels, merge_coords
from pointdet.ops.windows import Axis, from_groups, to_groups

if TYPE_CHECKING:
    from formerdata.detection import Batch

Window = tuple[int, int, int]
AXES: tuple[Axis, Axis] = ("x", "y")
Trace = Callable[[str, Voxels], None]


class LIONLayer(nn.Module):
    """Two RNN blocks, one over groups sorted along x, one along y (section 3.2).

    Args:
        blocks: Makes the block of direction 0 and 1.
        window: (Tx, Ty, Tz), voxels.
        group_size: Voxels a group.
        shift: Move the windows' borders by half a window.
    """

    def __init__(self, blocks: Callable[[int], nn.Module], window: Window, group_size: int, *, shift: bool) -> None:
        super().__init__()
        self.window, self.group_size, self.shift = window, group_size, shift
        self.blocks = nn.ModuleList(blocks(direction) for direction in range(len(AXES)))
        self.recompute = False

    def forward(self, voxels: Voxels) -> Voxels:
        x = voxels.features
        for axis, block in zip(AXES, self.blocks, strict=True):
            order = voxels.grid.order(self.window, self.group_size, shift=self.shift, axis=axis)
            groups = to_groups(x, order, self.group_size)
            if self.recompute and torch.is_grad_enabled():
                groups = checkpoint(block, groups, use_reentrant=False)
            else:
                groups = block(groups)
            x = from_groups(groups, order)
        return voxels.with_features(x)


class PositionEmbedding(nn.Module):
    """Learned function of a voxel's place in the grid."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.embed = nn.Linear(3, channels)
        self.norm = nn.BatchNorm1d(channels)
        self.project = nn.Linear(channels, channels)

    def forward(self, voxels: Voxels) -> Tensor:
        """[N, C] for the voxels of the grid."""
        size = voxels.features.new_tensor(voxels.grid.spatial_shape).flip(0)
        place = voxels.grid.coords[:, 1:].flip(1).to(size.dtype)
        # 3.1415 rather than pi, as trained weights expect.
        angle = (place - size / 2) / size * (2 * 3.1415)
        return self.project(torch.relu(self.norm(self.embed(angle))))


class SpatialDescriptor(nn.Module):
    """3D spatial feature descriptor (section 3.3): submanifold convolution, layer norm, GELU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, 3, 3, 3, channels))
        self.norm = nn.LayerNorm(channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Uniform by fan-in over channels and kernel cells, as torch starts its dense convolutions."""
        bound = self.weight[0].numel() ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)
        self.norm.reset_parameters()

    def forward(self, voxels: Voxels) -> Tensor:
        """[N, C] to [N, C]."""
        x = submanifold_conv(voxels.features, self.weight, voxels.grid)
        return nn.functional.gelu(self.norm(x))


def generated_coords(features: Tensor, grid: VoxelGrid, ratio: float) -> Tensor:
    """Voxels that grow at the four diagonal neighbours of those with the largest response (section 3.4).

    Args:
        features: [N, C]; the response of a voxel is their mean.
        grid: The voxels.
        ratio: Share of each sample's voxels that grow; int(ratio * n) of n.

    Returns:
        [M, 4] int32 (b, z, y, x), clamped into the grid; some may be active already or stand there twice.
    """
    response, grown, first = features.detach().mean(dim=1), [], 0
    for n in grid.counts:
        top = response[first : first + n].topk(int(ratio * n)).indices + first
        for dx, dy in ((-1, 1), (1, 1), (-1, -1), (1, -1)):
            grown.append(grid.coords[top] + grid.coords.new_tensor([0, 0, dy, dx]))
        first += n
    coords = torch.cat(grown)
    _, height, width = grid.spatial_shape
    coords[:, 2].clamp_(0, height - 1)
    coords[:, 3].clamp_(0, width - 1)
    return coords


class PatchMerging(nn.Module):
    """Descriptor, then voxels that fall on the same coarser cell are summed (sections 3.3 and 3.4).

    Args:
        channels: C.
        factor: (x, y, z) by which the grid coarsens.
        generation: Share of voxels that grow new ones first; 0 for none.
    """

    def __init__(self, channels: int, factor: Window, generation: float = 0.0) -> None:
        super().__init__()
        self.factor, self.generation = factor, generation
        self.descriptor = SpatialDescriptor(channels)
        self.norm = nn.LayerNorm(channels)

    def forward(self, voxels: Voxels) -> tuple[Voxels, Segments]:
        """The coarser voxels, and which rows went into each (generated rows, which are zero, after the real ones)."""
        x, coords = self.descriptor(voxels), voxels.grid.coords
        if self.generation > 0:
            grown = generated_coords(x, voxels.grid, self.generation)
            coords = torch.cat([coords, grown])
            x = nn.functional.pad(x, (0, 0, 0, grown.shape[0]))
        factor = coords.new_tensor([1, *reversed(self.factor)])
        shape = tuple(-(-size // by) for size, by in zip(voxels.grid.spatial_shape, reversed(self.factor), strict=True))
        grid, segments = merge_coords(
            torch.div(coords, factor, rounding_mode="floor"), (shape[0], shape[1], shape[2]), voxels.grid.batch_size
        )
        return Voxels(self.norm(segment_sum(x, segments)), grid), segments


class LIONBlock(nn.Module):
    """Two layers on the way down to a quarter of the resolution, two on the way up, skips between (figure 4).

    The output stands on the input's voxels.

    Args:
        channels: C.
        blocks: Makes the RNN block of layer 0 .. 3 and direction 0 or 1.
        window: (Tx, Ty, Tz).
        group_size: Voxels a group.
    """

    def __init__(self, channels: int, blocks: Callable[[int, int], nn.Module], window: Window, group_size: int) -> None:
        super().__init__()

        def layer(index: int) -> LIONLayer:
            return LIONLayer(partial(blocks, index), window, group_size, shift=index % 2 == 1)

        self.positions = nn.ModuleList(PositionEmbedding(channels) for _ in range(2))
        self.encoder = nn.ModuleList(layer(i) for i in range(2))
        self.merges = nn.ModuleList(PatchMerging(channels, (2, 2, 2)) for _ in range(2))
        self.decoder = nn.ModuleList(layer(2 + i) for i in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(2))

    def forward(self, voxels: Voxels, trace: Trace | None = None) -> Voxels:
        skips = []
        for i in range(2):
            voxels = self.encoder[i](voxels.with_features(voxels.features + self.positions[i](voxels)))
            skip = voxels
            _record(trace, f"encoder.{i}", voxels)
            voxels, segments = self.merges[i](voxels)
            _record(trace, f"merges.{i}", voxels)
            skips.append((skip, segments))
        for i in range(2):
            voxels = self.decoder[i](voxels)
            _record(trace, f"decoder.{i}", voxels)
            skip, segments = skips.pop()
            x = skip.features + segment_expand(voxels.features, segments)
            voxels = skip.with_features(self.norms[i](x))
        return voxels


def _record(trace: Trace | None, name: str, voxels: Voxels) -> None:
    if trace is not None:
        trace(name, voxels)


def _prefixed(trace: Trace, prefix: str, name: str, voxels: Voxels) -> None:
    trace(prefix + name, voxels)


@dataclass(frozen=True)
class BackboneSettings:
    """The 3D backbone; the defaults are the published KITTI model's.

    Attributes:
        channels: Width of voxel features.
        windows: (Tx, Ty, Tz) of each LION block, voxels; the grid's height halves after each.
        group_sizes: Voxels a group, of each LION block.
        out_window: Horizontal (Tx, Ty) of the last layer's windows; they span the remaining height.
        out_group_size: Voxels a group in the last layer.
        generation: Share of voxels that grow new ones in each merge along z.
        drop_path: Stochastic depth of the RNN blocks.
        recompute: Save memory in training by computing RNN blocks twice.
        ground_windows: (Tx, Ty) of each layer on the ground plane, after all heights have become one; none in most
            models, ((25, 25), (37, 37), (51, 51)) in Argoverse 2's.
        ground_group_sizes: Voxels a group, of each of these; (512, 1024, 2048) in Argoverse 2's.
    """

    channels: int = 64
    windows: tuple[Window, ...] = ((13, 13, 32), (13, 13, 16), (13, 13, 8), (13, 13, 4))
    group_sizes: tuple[int, ...] = (4096, 2048, 1024, 512)
    out_window: tuple[int, int] = (13, 13)
    out_group_size: int = 256
    generation: float = 0.2
    drop_path: float = 0.2
    recompute: bool = False
    ground_windows: tuple[tuple[int, int], ...] = ()
    ground_group_sizes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        sizes = {
            "channels": (self.channels,), "group_sizes": self.group_sizes, "out_group_size": (self.out_group_size,),
            "windows": [side for window in self.windows for side in window], "out_window": self.out_window,
        }  # fmt: skip
        for name, values in sizes.items():
            if not values or min(values) < 1:
                raise ValueError(f"backbone.{name}: expected numbers from 1 on, got {getattr(self, name)}")
        ground = {
            "ground_windows": [side for window in self.ground_windows for side in window],
            "ground_group_sizes": self.ground_group_sizes,
        }
        for name, values in ground.items():
            if min(values, default=1) < 1:
                raise ValueError(f"backbone.{name}: expected numbers from 1 on, got {getattr(self, name)}")
        for a, b in (("windows", "group_sizes"), ("ground_windows", "ground_group_sizes")):
            counts = len(getattr(self, a)), len(getattr(self, b))
            if counts[0] != counts[1]:
                raise ValueError(f"backbone.{a} and backbone.{b}: expected as many, got {counts[0]} and {counts[1]}")
        if not 0 <= self.generation <= 1:
            raise ValueError(f"backbone.generation: expected a share, 0 to 1, got {self.generation}")
        if not 0 <= self.drop_path < 1:
            raise ValueError(f"backbone.drop_path: expected a share below 1, got {self.drop_path}")


class LIONBackbone(nn.Module):
    """LION blocks at full horizontal resolution, each followed by a merge of pairs along z with voxel generation.

    Args:
        settings: Windows, groups, widths.
        operator: The linear RNN.
        depth: Height of the grid after all blocks, voxels; the last layer's windows span it.
    """

    def __init__(self, settings: BackboneSettings, operator: Operator, depth: int) -> None:
        super().__init__()
        channels, generation, ground = settings.channels, settings.generation, settings.ground_windows
        stages = len(settings.windows)
        num_layers = 8 * stages + 2 + 2 * len(ground)

        def block(stage: int, layer: int, direction: int) -> nn.Module:
            return operator_block(operator, channels, settings.drop_path, 8 * stage + 2 * layer + direction, num_layers)

        self.blocks = nn.ModuleList()
        self.merges = nn.ModuleList()
        for i, (window, group_size) in enumerate(zip(settings.windows, settings.group_sizes, strict=True)):
            self.blocks.append(LIONBlock(channels, partial(block, i), window, group_size))
            self.merges.append(PatchMerging(channels, (1, 1, 2), generation))
        out = partial(block, stages, 0)
        self.out = LIONLayer(out, (*settings.out_window, depth), settings.out_group_size, shift=True)
        self.out_merge = PatchMerging(channels, (1, 1, 2), generation) if ground else None
        self.bev_layers = nn.ModuleList(
            LIONLayer(partial(block, stages, 1 + i), (*window, 1), group_size, shift=True)
            for i, (window, group_size) in enumerate(zip(ground, settings.ground_group_sizes, strict=True))
        )
        for module in self.modules():
            if isinstance(module, LIONLayer):
                module.recompute = settings.recompute

    def forward(self, voxels: Voxels, trace: Trace | None = None) -> Voxels:
        """Voxels of the input grid to voxels of one whose height is halved once a block, and before the ground plane.

        Args:
            voxels: The input.
            trace: Called with the name and the voxels of each stage, for tests and profiles.
        """
        for i in range(len(self.blocks)):
            inner = None if trace is None else partial(_prefixed, trace, f"blocks.{i}.")
            voxels = self.blocks[i](voxels, inner)
            _record(trace, f"blocks.{i}", voxels)
            voxels, _ = self.merges[i](voxels)
            _record(trace, f"merges.{i}", voxels)
        voxels = self.out(voxels)
        _record(trace, "out", voxels)
        if self.out_merge is not None:
            voxels, _ = self.out_merge(voxels)
            _record(trace, "out_merge", voxels)
        for i, layer in enumerate(self.bev_layers):
            voxels = layer(voxels)
            _record(trace, f"bev_layers.{i}", voxels)
        return voxels


class LION(nn.Module):
    """The detector.

    In training mode a call returns the losses of a batch, in evaluation mode its detections (torchvision's habit).

    Args:
        class_names: Classes in label order; label 1 is the first.
        point_cloud_range: Lower (x, y, z), then upper, m.
        voxel_size: (x, y, z), m; the range must be a whole number of voxels.
        operator: The linear RNN of the backbone.
        point_features: Features of a point, x, y and z included.
        encoder_channels: Widths of the voxel encoder's layers.
        backbone: The 3D backbone.
        bev_kind: Which 2D backbone. bev: Of plain convolutions, KITTI's. residual_bev: Of residual blocks, Waymo's.
            None for a head that takes voxels.
        head_kind: Which head. head: Losses and post-processing of anchors. center_head: Those of centres.
            sparse_center_head: Those of centres at voxels, Argoverse 2's; it goes with no 2D backbone.
            transfusion_head: Those of TransFusion, with its network.
        anchors: Anchors of each class; KITTI's for the classes that are left out.
    """

    def __init__(
        self,
        class_names: Sequence[str] = ("Car", "Pedestrian", "Cyclist"),
        point_cloud_range: tuple[float, float, float, float, float, float] = (0.0, -40.0, -3.0, 70.4, 40.0, 1.0),
        voxel_size: tuple[float, float, float] = (0.2, 0.2, 0.125),
        operator: Operator = "mamba",
        point_features: int = 4,
        encoder_channels: tuple[int, ...] = (64, 64),
        backbone: BackboneSettings = BackboneSettings(),
        bev_kind: Literal["plain", "residual", "none"] = "plain",
        bev: BEVSettings = BEVSettings(),  # noqa: B008
        residual_bev: ResidualBEVSettings = ResidualBEVSettings(),  # noqa: B008
        head_kind: Literal["anchor", "center", "sparse_center", "transfusion"] = "anchor",
        head: HeadSettings = HeadSettings(),  # noqa: B008
        center_head: CenterHeadSettings = CenterHeadSettings(),  # noqa: B008
        sparse_center_head: SparseCenterHeadSettings = SparseCenterHeadSettings(),  # noqa: B008
        transfusion_head: TransFusionSettings = TransFusionSettings(),  # noqa: B008
        anchors: Mapping[str, AnchorSettings] | None = None,
    ) -> None:
        super().__init__()
        self.class_names = tuple(class_names)
        x0, y0, z0, x1, y1, z1 = point_cloud_range
        self.point_cloud_range = (x0, y0, z0, x1, y1, z1)
        self.voxel_size = (voxel_size[0], voxel_size[1], voxel_size[2])
        width, height, depth = grid_shape(point_cloud_range, voxel_size)
        stages = len(backbone.windows)
        if depth % 2**stages:
            raise ValueError(f"voxel_size and point_cloud_range: {depth} voxels in height do not halve {stages} times")
        depth //= 2**stages
        _check_encoder(encoder_channels, backbone)
        _check_kinds(bev_kind, head_kind)
        _check_depth(depth, bool(backbone.ground_windows), one=bev_kind == "none")
        self.voxel_encoder = DynamicVoxelEncoder(point_features, tuple(encoder_channels), self.voxel_size, (x0, y0, z0))
        self.backbone = LIONBackbone(backbone, operator, depth)
        channels, map_size = backbone.channels * (1 if backbone.ground_windows else depth), (height, width)
        self.bev: BEVBackbone | ResidualBEVBackbone | None = None
        if bev_kind != "none":
            plain = bev_kind == "plain"
            self.bev = BEVBackbone(channels, bev) if plain else ResidualBEVBackbone(channels, residual_bev)
            channels, map_size = self.bev.out_channels, self.bev.map_size(height, width)
        place = channels, self.class_names, self.point_cloud_range, map_size
        self.head: AnchorHead | CenterHead | SparseCenterHead | TransFusionHead
        if head_kind == "anchor":
            kinds = kitti_anchors(self.class_names, anchors)
            self.head = AnchorHead(channels, self.class_names, kinds, self.point_cloud_range, map_size, head)
        elif head_kind == "center":
            self.head = CenterHead(*place, center_head)
        elif head_kind == "sparse_center":
            self.head = SparseCenterHead(*place, sparse_center_head)
        else:
            self.head = TransFusionHead(*place, transfusion_head)

    def features(self, points: Tensor, batch_size: int) -> Tensor | BlockMap | Voxels:
        """Points [P, 1 + F] (sample index first) to what the head sees.

        That is the 2D feature map [B, C, H, W]; or, without a 2D backbone, the 3D one's voxels.
        """
        cloud = voxelize(points, self.point_cloud_range, self.voxel_size, batch_size)
        return self.map_features(self.backbone(self.voxel_encoder(cloud)))

    def map_features(self, voxels: Voxels) -> Tensor | BlockMap | Voxels:
        """The 3D backbone's voxels to the 2D feature map, if there is a 2D backbone."""
        if self.bev is None:
            return voxels
        sparse = not self.training and isinstance(self.bev, BEVBackbone) and sparse_maps_serve(voxels)
        return self.bev(sparse_bev_map(voxels) if sparse else bev_map(voxels))

    def forward(self, batch: Batch) -> dict[str, Tensor] | list[Detections]:
        """Losses (the total under ``"loss"``) in training mode, one :class:`Detections` a sample in evaluation."""
        output = self.head(self.features(batch.points, batch.batch_size))
        if self.training:
            return self.head.losses(output, batch.boxes, batch.labels)
        return self.head.detections(output)


def _check_encoder(channels: Sequence[int], backbone: BackboneSettings) -> None:
    if not channels or min(channels) < 2:
        raise ValueError(f"encoder_channels: expected widths from 2 on, got {tuple(channels)}")
    if channels[-1] != backbone.channels:
        raise ValueError(f"encoder_channels ends with {channels[-1]}, expected backbone.channels = {backbone.channels}")


def _check_kinds(bev_kind: str, head_kind: str) -> None:
    for name, value, known in (
        ("bev_kind", bev_kind, ("plain", "residual", "none")),
        ("head_kind", head_kind, ("anchor", "center", "sparse_center", "transfusion")),
    ):
        if value not in known:
            raise ValueError(f"{name}: expected one of {', '.join(known)}, got {value!r}")
    if (bev_kind == "none") != (head_kind == "sparse_center"):
        raise ValueError(
            "bev_kind and head_kind: none and sparse_center go together, the one 2D backbone and head that take "
            f"voxels, got {bev_kind} and {head_kind}"
        )


def _check_depth(depth: int, ground: bool, *, one: bool) -> None:
    """The height after all blocks, voxels: what layers on the ground plane, and a head that takes voxels, need."""
    if ground and depth != 2:
        raise ValueError(
            f"voxel_size and point_cloud_range: {depth} voxels in height after all blocks, expected 2, which the "
            "layers of backbone.ground_windows have merged"
        )
    if one and not ground and depth != 1:
        raise ValueError(
            f"bev_kind none: {depth} voxels in height after the backbone, expected 1; see backbone.ground_windows"
        )
