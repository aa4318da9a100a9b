"""The command line of this room: a module for each command, with `add_arguments(parser)` and `run(args) -> int`."""
