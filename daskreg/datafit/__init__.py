"""The smooth half of K problems: values, gradients and bounds from whole passes."""

from .datafit import Datafit, Footprint
from .evaluation import Evaluation
from .first import FirstPass
from .gram import GramData

__all__ = ["Datafit", "Evaluation", "FirstPass", "Footprint", "GramData"]
