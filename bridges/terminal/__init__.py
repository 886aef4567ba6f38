"""The program ``pli-bridge``: the kit at a terminal."""
