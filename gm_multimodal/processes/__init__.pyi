from .base import ConditionalProcess as ConditionalProcess, Process as Process
from .ctmc import MaskingCTMC as MaskingCTMC, UniformCTMC as UniformCTMC
from .euler import Euler as Euler
from .flow import Flow as Flow
from .flow_with_rates import FlowWithRates as FlowWithRates
from .jump import Jump as Jump, canonical_jump as canonical_jump, couple as couple
from .langevin import Langevin as Langevin, noisy_flow as noisy_flow
from .mixture import MixtureDiffusion as MixtureDiffusion, MixtureJump as MixtureJump
from .plug_in import PlugIn as PlugIn, plug_in_jump as plug_in_jump
from .rates import RateJump as RateJump
from .superposition import (
    PredictorCorrector as PredictorCorrector,
    Superposition as Superposition,
    flow_and_jump as flow_and_jump,
)
