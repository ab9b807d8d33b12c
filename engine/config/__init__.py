"""The configuration room: YAML files → checked, compiled, frozen catalogue → immutable releases."""
