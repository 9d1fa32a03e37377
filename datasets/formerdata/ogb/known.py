"""OGB's own data sets: what its master tables say of each (ogb 1.3.6; Hu et al. 2020, Open Graph Benchmark)."""

from __future__ import annotations

from dataclasses import replace

from formerdata.ogb.meta import OgbMeta

_BINARY, _MULTI, _LINK, _KG = (
    "binary classification", "multiclass classification", "link prediction", "KG completion",
)  # fmt: skip

_NODES = (
    OgbMeta("ogbn-proteins", _BINARY, "rocauc", "species", 112, 2, add_inverse_edge=True, node_files=("node_species",),
            has_node_attr=False, has_edge_attr=True, download_name="proteins"),
    OgbMeta("ogbn-products", _MULTI, "acc", "sales_ranking", 1, 47, add_inverse_edge=True, download_name="products"),
    OgbMeta("ogbn-arxiv", _MULTI, "acc", "time", 1, 40, node_files=("node_year",), download_name="arxiv"),
    OgbMeta("ogbn-mag", _MULTI, "acc", "time", 1, 349, version=2, node_files=("node_year",),
            edge_files=("edge_reltype",), is_hetero=True, download_name="mag"),
    OgbMeta("ogbn-papers100M", _MULTI, "acc", "time", 1, 172, node_files=("node_year",), binary=True,
            download_name="papers100M-bin"),
)  # fmt: skip

_LINKS = (
    OgbMeta("ogbl-ppa", _LINK, "hits@100", "throughput", add_inverse_edge=True, download_name="ppassoc"),
    OgbMeta("ogbl-collab", _LINK, "hits@50", "time", add_inverse_edge=True, edge_files=("edge_weight", "edge_year"),
            download_name="collab"),
    OgbMeta("ogbl-citation2", _LINK, "mrr", "time", node_files=("node_year",), download_name="citation-v2"),
    OgbMeta("ogbl-wikikg2", _KG, "mrr", "time", edge_files=("edge_reltype",), has_node_attr=False,
            download_name="wikikg-v2"),
    OgbMeta("ogbl-ddi", _LINK, "hits@20", "target", add_inverse_edge=True, has_node_attr=False, download_name="ddi"),
    OgbMeta("ogbl-biokg", _KG, "mrr", "random", edge_files=("edge_reltype",), is_hetero=True, has_node_attr=False,
            download_name="biokg"),
    OgbMeta("ogbl-vessel", _LINK, "rocauc", "spatial", binary=True, has_edge_attr=True, download_name="vessel"),
)  # fmt: skip

# All molecules are stored alike: one direction of each bond, features of atoms and bonds, split by scaffold.
_MOLECULE = OgbMeta(
    "ogbg-molhiv", _BINARY, "rocauc", "scaffold", 1, 2, add_inverse_edge=True, has_edge_attr=True, download_name="hiv"
)
_MOLECULES = (
    _MOLECULE,
    *(
        replace(_MOLECULE, name=f"ogbg-mol{name}", num_tasks=tasks, download_name=name)
        for name, tasks in (("bace", 1), ("bbbp", 1), ("clintox", 2), ("sider", 27), ("tox21", 12), ("toxcast", 617),
                            ("chembl", 1310))
    ),
    *(
        replace(_MOLECULE, name=f"ogbg-mol{name}", eval_metric="ap", num_tasks=tasks, download_name=name)
        for name, tasks in (("muv", 17), ("pcba", 128))
    ),
    *(
        replace(_MOLECULE, name=f"ogbg-mol{name}", task_type="regression", eval_metric="rmse", num_classes=-1,
                download_name=download)
        for name, download in (("esol", "esol"), ("freesolv", "freesolv"), ("lipo", "lipophilicity"))
    ),
)  # fmt: skip

_GRAPHS = (
    *_MOLECULES,
    OgbMeta("ogbg-ppa", _MULTI, "acc", "species", 1, 37, add_inverse_edge=True, has_node_attr=False,
            has_edge_attr=True, download_name="ogbg_ppi_medium"),
    OgbMeta("ogbg-code2", "subtoken prediction", "F1", "project", 1, -1,
            node_files=("node_is_attributed", "node_dfs_order", "node_depth"), download_name="code2"),
)  # fmt: skip

KNOWN: dict[str, OgbMeta] = {meta.name: meta for meta in (*_NODES, *_LINKS, *_GRAPHS)}
"""OGB's data sets by name."""


def known(name: str) -> OgbMeta:
    """What OGB says of one of its data sets.

    Raises:
        ValueError: If OGB has none of that name.
    """
    if name not in KNOWN:
        raise ValueError(f"name: OGB has no data set {name!r}; it has {', '.join(KNOWN)}. Others need an OgbMeta")
    return KNOWN[name]
