"""The Lightning loop, its data and the model card."""
