"""Grids and animations show every image where it belongs."""

import numpy as np
import torch
from PIL import Image

from gm_multimodal.images.pictures import write_gif, write_grid


def test_a_grid_shows_images_row_by_row_and_enlarged(tmp_path):
    levels = torch.tensor([0, 51, 102, 153, 255])
    points = (levels.float() / 255 * 2 - 1)[:, None, None, None].expand(5, 1, 8, 8)
    write_grid(tmp_path / "grid.png", points, columns=3)
    with Image.open(tmp_path / "grid.png") as picture:
        pixels = np.asarray(picture)
    assert pixels.shape == (2 * 58 + 2, 3 * 58 + 2), "8 pixels seven times, and gaps of 2"
    centres = pixels[30::58, 30::58]
    assert centres.tolist() == [[0, 51, 102], [153, 255, 255]]
    assert [path.name for path in tmp_path.iterdir()] == ["grid.png"]


def test_colours_and_pixels_come_back(tmp_path):
    levels = torch.randint(0, 256, (2, 3, 64, 64), generator=torch.Generator().manual_seed(0))
    write_grid(tmp_path / "grid.png", levels.float() / 255 * 2 - 1, columns=2)
    with Image.open(tmp_path / "grid.png") as picture:
        pixels = np.asarray(picture)
    assert np.array_equal(pixels[2:66, 68:132], levels[1].permute(1, 2, 0))


def test_an_animation_has_every_frame_and_rests_at_the_end(tmp_path):
    frames = torch.linspace(-1, 1, 6)[:, None, None, None, None].expand(6, 4, 1, 8, 8)
    write_gif(tmp_path / "way.gif", frames, columns=2)
    with Image.open(tmp_path / "way.gif") as picture:
        assert picture.n_frames == 6 and picture.info["loop"] == 0
        seen, durations = [], []
        for k in range(6):
            picture.seek(k)
            seen.append(np.asarray(picture.convert("L"))[30, 30])
            durations.append(picture.info["duration"])
    assert np.allclose(seen, np.linspace(0, 255, 6), atol=1)
    assert durations[-1] > 5 * durations[0]
