from .base import Manifold as Manifold, StateSpace as StateSpace, UniformSpace as UniformSpace, expand_as as expand_as
from .categorical import (
    Categorical as Categorical,
    MaskedCategorical as MaskedCategorical,
    draw_categorical as draw_categorical,
)
from .euclidean import Euclidean as Euclidean
from .interval import Interval as Interval
from .rotations import (
    Rotations as Rotations,
    quaternion_to_matrix as quaternion_to_matrix,
    rotation_angle as rotation_angle,
    rotation_exp as rotation_exp,
    rotation_log as rotation_log,
)
from .torus import Torus as Torus
