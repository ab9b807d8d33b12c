"""The vocabulary of pipelines: one small function a step, registered by name. `registry.load()` gives all of them."""
