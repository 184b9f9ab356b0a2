"""From files of structures to a dataset of chains: find, examine, cluster, split, write."""
