"""The commands of `run.py`: one module a group of commands.

A module with `register(commands)` adds its commands to an argparse sub-parser collection; `door.py` finds it. Modules
are read on every start, so they import what is heavy inside the functions that need it.
"""
