"""What an image is: data sets, the network and its factor, and how good samples are."""
