"""The product of a protein as the shipped configuration has it."""

from gm_multimodal.parameterizations.endpoint import EndpointMean
from gm_multimodal.parameterizations.posterior import CategoricalPosterior
from gm_multimodal.parameterizations.tangent import TangentMixture
from gm_multimodal.paths.gaussian import GaussianPath
from gm_multimodal.paths.geodesic import GeodesicPath
from gm_multimodal.paths.mixture import MixturePath
from gm_multimodal.processes.ctmc import MaskingCTMC
from gm_multimodal.processes.flow import Flow
from gm_multimodal.product import Factor
from gm_multimodal.schedules import Linear
from gm_multimodal.spaces.categorical import MaskedCategorical
from gm_multimodal.spaces.euclidean import Euclidean
from gm_multimodal.spaces.rotations import Rotations


def protein_product(components: int = 1, **sequence_settings) -> dict[str, Factor]:
    """Translations, rotations and sequence; the settings are those of the sequence's process."""
    space, turns, letters = Euclidean(3), Rotations(), MaskedCategorical(20)
    chain = MaskingCTMC(MixturePath(letters), **sequence_settings)
    return {
        "translations": Factor(Flow(GaussianPath(space)), EndpointMean(space), Linear(), 1.0, True),
        "rotations": Factor(Flow(GeodesicPath(turns)), TangentMixture(turns, components), Linear(), 0.3),
        "sequence": Factor(chain, CategoricalPosterior(letters), Linear(), 0.5),
    }
