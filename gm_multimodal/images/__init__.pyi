from .checkpoint import ImageModel as ImageModel, load_image_model as load_image_model
from .dataset import ImageSet as ImageSet, load_images as load_images
from .heads import Heads as Heads
from .product import Pixels as Pixels
from .samplers import ImageSampler as ImageSampler
from .unet import UNet as UNet
