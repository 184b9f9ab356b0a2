from .base import (
    ConditionalPath as ConditionalPath,
    DensePath as DensePath,
    FlowPath as FlowPath,
    LinearFlowPath as LinearFlowPath,
    NoisyPath as NoisyPath,
)
from .fisher import FisherPath as FisherPath
from .gaussian import GaussianPath as GaussianPath
from .geodesic import GeodesicPath as GeodesicPath
from .igso3 import IGSO3Path as IGSO3Path
from .isotropic import IsotropicPath as IsotropicPath
from .mixture import MixturePath as MixturePath
from .von_mises import VonMisesPath as VonMisesPath
