"""The smooth half of K problems: values, gradients and bounds from whole passes."""

from .datafit import Datafit
from .evaluation import Evaluation
from .first import FirstPass
from .footprint import Footprint
from .free import fit_free
from .gram import GramData

__all__ = ["Datafit", "Evaluation", "FirstPass", "Footprint", "GramData", "fit_free"]
