from .frame_trunk import FrameTrunk as FrameTrunk
from .frames import Frames as Frames
from .residue_trunk import ResidueTrunk as ResidueTrunk
from .trunk import Trunk as Trunk
