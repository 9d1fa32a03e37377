"""What is to be predicted, from which part of the data, and how it is scored."""

from graphformers.tasks.graph_task import GraphTask, Objective, Part
from graphformers.tasks.metric import Metric

__all__ = ["GraphTask", "Metric", "Objective", "Part"]
