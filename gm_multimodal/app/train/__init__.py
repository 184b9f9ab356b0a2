"""The commands `train` and `finetune`."""
