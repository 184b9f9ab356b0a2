from .base import (
    ManifoldPosterior as ManifoldPosterior,
    ManifoldPrediction as ManifoldPrediction,
    Parameterization as Parameterization,
    Posterior as Posterior,
    Prediction as Prediction,
    RatePrediction as RatePrediction,
)
from .bins import (
    BinPosterior as BinPosterior,
    BinPrediction as BinPrediction,
    BinRatePrediction as BinRatePrediction,
    BinRates as BinRates,
    Bins as Bins,
)
from .endpoint import EndpointMean as EndpointMean, EndpointPrediction as EndpointPrediction
from .point_mass import PointMass as PointMass, PointMassPrediction as PointMassPrediction
from .posterior import CategoricalPosterior as CategoricalPosterior, CategoricalPrediction as CategoricalPrediction
from .tangent import TangentMixture as TangentMixture, TangentPrediction as TangentPrediction
from .velocity import VelocityMean as VelocityMean, VelocityPrediction as VelocityPrediction
