"""Who imports whom, and what an import costs."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {
    "formerkit": ROOT / "formerkit",
    "formerdata": ROOT / "datasets" / "formerdata",
    "pointdet": ROOT / "pointdet",
    "graphformers": ROOT / "graphformers",
}
MAY_IMPORT = {
    "formerkit": set(),
    "formerdata": {"formerkit.io", "formerkit.seeds", "formerkit.parallel"},
    "pointdet": {"formerkit", "formerdata"},
    "graphformers": {"formerkit", "formerdata"},
}


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_arrows_go_down_only(package: str) -> None:
    for path in PACKAGES[package].rglob("*.py"):
        for name in imports(path):
            top = name.split(".")[0]
            if top not in PACKAGES or top == package:
                continue
            allowed = any(name == ok or name.startswith(f"{ok}.") for ok in MAY_IMPORT[package])
            assert allowed, f"{path.relative_to(ROOT)} imports {name}"


LIGHT = (
    "pointdet", "pointdet.ops", "formerdata", "formerdata.detection", "formerdata.kitti", "formerdata.graphs",
    "formerdata.argoverse2", "formerdata.nuscenes", "formerdata.ogb", "formerdata.once", "formerdata.store",
    "formerdata.temporal", "formerdata.waymo", "formerkit.mixers", "graphformers", "graphformers.encodings",
    "graphformers.layers", "graphformers.metrics", "graphformers.models", "graphformers.ops", "graphformers.sources",
    "graphformers.tasks", "graphformers.temporal", "graphformers.theory", "graphformers.tokenizers",
)  # fmt: skip
HEAVY = (
    "numba", "scipy", "matplotlib", "lightning_fabric", "torch_geometric", "open3d", "spconv", "tensorboardX",
    "jsonargparse", "ogb", "pandas", "pyarrow", "sklearn", "rdkit", "networkx",
)  # fmt: skip


def test_imports_stay_light() -> None:
    # All in one process: to start one takes seconds, and what one package brings in is not laid at the next one's door.
    code = f"""
import importlib, sys
seen = set()
for package in {LIGHT!r}:
    importlib.import_module(package)
    new = {{name for name in {HEAVY!r} if name in sys.modules}} - seen
    seen |= new
    if new:
        print(package, "imports", *sorted(new))
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.splitlines() == []


# Names of ``graphformers`` itself need torch_geometric: tests of the transforms look at them.
@pytest.mark.parametrize("package", ["formerkit.io", *(name for name in LIGHT if name != "graphformers")])
def test_public_names_exist(package: str) -> None:
    module = importlib.import_module(package)
    names = getattr(module, "__all__", [])
    assert len(set(names)) == len(names)
    for name in names:
        assert hasattr(module, name), f"{package}.{name}"
