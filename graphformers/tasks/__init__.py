"""What is to be predicted, from which part of the data, and how it is scored."""

from graphformers.tasks.dynamic_node_settings import DynamicNodeSettings
from graphformers.tasks.dynamic_node_task import DynamicNodeTask, NodeBatch
from graphformers.tasks.future_link_settings import FutureLinkSettings
from graphformers.tasks.future_link_task import EventBatch, FutureLinkTask
from graphformers.tasks.graph_task import GraphTask, Objective
from graphformers.tasks.link_settings import LinkSettings
from graphformers.tasks.link_task import LinkTask
from graphformers.tasks.metric import Metric
from graphformers.tasks.stored_task import StoredTask
from graphformers.tasks.task import Part, Task
from graphformers.tasks.token_settings import TokenSettings
from graphformers.tasks.token_task import TokenTask

__all__ = [
    "DynamicNodeSettings",
    "DynamicNodeTask",
    "EventBatch",
    "FutureLinkSettings",
    "FutureLinkTask",
    "GraphTask",
    "LinkSettings",
    "LinkTask",
    "Metric",
    "NodeBatch",
    "Objective",
    "Part",
    "StoredTask",
    "Task",
    "TokenSettings",
    "TokenTask",
]
