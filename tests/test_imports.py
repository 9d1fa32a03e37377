"""Who imports whom, and what an import costs."""

from __future__ import annotations

import ast
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


@pytest.mark.parametrize(
    "package",
    [
        "pointdet",
        "formerdata",
        "formerdata.kitti",
        "formerdata.ogb",
        "formerkit.mixers",
        "pointdet.ops",
        "graphformers.ops",
        "graphformers.metrics",
    ],
)
def test_an_import_stays_light(package: str) -> None:
    heavy = (
        "numba",
        "matplotlib",
        "lightning_fabric",
        "torch_geometric",
        "open3d",
        "spconv",
        "tensorboardX",
        "jsonargparse",
        "ogb",
        "pandas",
        "sklearn",
    )
    code = f"import sys, {package}; print(*(name for name in {heavy!r} if name in sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.split() == []


def test_public_names_exist() -> None:
    import formerdata.kitti

    import formerkit.io
    import formerkit.mixers
    import graphformers.ops
    import pointdet.ops

    for module in (formerkit.io, formerkit.mixers, pointdet.ops, graphformers.ops, formerdata.kitti):
        assert len(set(module.__all__)) == len(module.__all__)
        for name in module.__all__:
            assert hasattr(module, name), f"{module.__name__}.{name}"
