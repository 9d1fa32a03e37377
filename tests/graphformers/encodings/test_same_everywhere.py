"""Every encoding is the same, to the bit, in every process and for any number of threads."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("scipy.sparse")

# All in one process, since what takes time is to start it. Laplacians go through rotations (40 nodes), LAPACK (150) and
# the solver for large graphs (8,000 nodes in two parts and some alone). Of the star's eigenvalues all but two coincide.
CODE = """
import hashlib, sys, torch
torch.set_num_threads(int(sys.argv[1]))
from graphformers import encodings

def edges(nodes, count):
    return torch.randint(0, nodes, (2, count), generator=torch.Generator().manual_seed(0))

path = 6000 + torch.stack([torch.arange(1999), torch.arange(1, 2000)])
found = {
    "rotations": encodings.laplacian_eigenvectors(edges(40, 90), 40, 8),
    "lapack": encodings.laplacian_eigenvectors(edges(150, 450), 150, 6),
    "star": encodings.laplacian_eigenvectors(torch.stack([torch.zeros(99).long(), torch.arange(1, 100)]), 100, 6),
    "large": encodings.laplacian_eigenvectors(torch.cat([edges(6000, 30000), path], 1), 8000, 12),
    "walks": encodings.random_walk_probabilities(edges(300, 900), 300, 8),
    "dense walks": encodings.random_walk_probabilities(edges(200, 20000), 200, 8),
    "heat": encodings.heat_kernel(edges(300, 900), 300, [1.0, 2.0]),
    "paper": encodings.paper_colours(edges(300, 900), 300),
    "hashed": encodings.hashed_colours(edges(300, 900), 300, 2, 1024),
}
for name, parts in found.items():
    content = b"".join(part.numpy().tobytes() for part in (parts if isinstance(parts, tuple) else (parts,)))
    print(name, hashlib.sha256(content).hexdigest())
"""


def test_every_process_and_number_of_threads_finds_the_same() -> None:
    one, two = (
        subprocess.run([sys.executable, "-c", CODE, threads], capture_output=True, text=True, check=True).stdout
        for threads in ("1", "2")
    )
    assert len(one.splitlines()) == 9
    assert one.splitlines() == two.splitlines()
