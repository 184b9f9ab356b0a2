"""Files that image data sets come in: idx, CIFAR-10's Python batches, npz, folders of PNG and JPEG."""
