"""Data sets in the layout of the Open Graph Benchmark, read and written without ``ogb``.

``read_task(root, "ogbn-arxiv")`` gives tensors; ``write_task`` stores data of one's own so that ``ogb`` loads them.
"""

from formerdata.ogb.hetero import HeteroGraph
from formerdata.ogb.known import KNOWN, known
from formerdata.ogb.links import LinkPart, LinkSplits
from formerdata.ogb.meta import OgbMeta, from_meta_dict
from formerdata.ogb.read import read_mapping, read_meta, read_task
from formerdata.ogb.tasks import GraphTask, HeteroLinkTask, HeteroNodeTask, LinkTask, NodeTask, Task
from formerdata.ogb.write import write_task

__all__ = [
    "KNOWN",
    "GraphTask",
    "HeteroGraph",
    "HeteroLinkTask",
    "HeteroNodeTask",
    "LinkPart",
    "LinkSplits",
    "LinkTask",
    "NodeTask",
    "OgbMeta",
    "Task",
    "from_meta_dict",
    "known",
    "read_mapping",
    "read_meta",
    "read_task",
    "write_task",
]
