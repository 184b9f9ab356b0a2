from .flow_density import FlowDensity as FlowDensity, flow_density as flow_density
from .grids import ShrinkingGrid as ShrinkingGrid, TimeGrid as TimeGrid, UniformGrid as UniformGrid
from .masking_bound import MaskingTerms as MaskingTerms, masking_terms as masking_terms
from .midpoint import MidpointVelocity as MidpointVelocity
from .observers import (
    ChosenProbability as ChosenProbability,
    StateRecorder as StateRecorder,
    StepCallback as StepCallback,
)
from .sampler import Observer as Observer, Sampler as Sampler, Step as Step, sample as sample
