from . import (
    generators as generators,
    images as images,
    networks as networks,
    parameterizations as parameterizations,
    paths as paths,
    processes as processes,
    protein as protein,
    sampling as sampling,
    schedules as schedules,
    spaces as spaces,
    training as training,
)
from .app.api import design as design
from .errors import IncompatibleProcess as IncompatibleProcess, UserInputError as UserInputError
from .network import Network as Network
from .noise import DesignNoise as DesignNoise, Noise as Noise, SharedNoise as SharedNoise
from .objective import Matching as Matching, every_time as every_time, loss as loss, matching_loss as matching_loss
from .parameterizations import (
    BinPosterior as BinPosterior,
    BinRates as BinRates,
    Bins as Bins,
    CategoricalPosterior as CategoricalPosterior,
    EndpointMean as EndpointMean,
    Parameterization as Parameterization,
    PointMass as PointMass,
    TangentMixture as TangentMixture,
    VelocityMean as VelocityMean,
)
from .paths import (
    ConditionalPath as ConditionalPath,
    FisherPath as FisherPath,
    GaussianPath as GaussianPath,
    GeodesicPath as GeodesicPath,
    IGSO3Path as IGSO3Path,
    MixturePath as MixturePath,
    VonMisesPath as VonMisesPath,
)
from .processes import (
    Euler as Euler,
    Flow as Flow,
    FlowWithRates as FlowWithRates,
    Jump as Jump,
    Langevin as Langevin,
    MaskingCTMC as MaskingCTMC,
    MixtureDiffusion as MixtureDiffusion,
    MixtureJump as MixtureJump,
    PlugIn as PlugIn,
    PredictorCorrector as PredictorCorrector,
    Process as Process,
    RateJump as RateJump,
    Superposition as Superposition,
    UniformCTMC as UniformCTMC,
    flow_and_jump as flow_and_jump,
    noisy_flow as noisy_flow,
    plug_in_jump as plug_in_jump,
)
from .product import Factor as Factor, Known as Known, Product as Product, State as State
from .protein import load as load
from .sampling import Sampler as Sampler, ShrinkingGrid as ShrinkingGrid, UniformGrid as UniformGrid, sample as sample
from .schedules import (
    Concentration as Concentration,
    CondOT as CondOT,
    Exponential as Exponential,
    GaussianSchedule as GaussianSchedule,
    Geometric as Geometric,
    Linear as Linear,
    Power as Power,
    Schedule as Schedule,
    VarianceExploding as VarianceExploding,
    VariancePreserving as VariancePreserving,
    Window as Window,
)
from .sites import Sites as Sites
from .spaces import (
    Categorical as Categorical,
    Euclidean as Euclidean,
    Interval as Interval,
    MaskedCategorical as MaskedCategorical,
    Rotations as Rotations,
    StateSpace as StateSpace,
    Torus as Torus,
)

__version__: str
