"""The one package that touches the compiled code; a thin file for each user of it.

The shared object holds two modules: `_core`, made by cffi, for what concerns arenas, and `_types`, for the objects
whose buffers hold secrets. `load` loads them, `errors` turns their status codes into exceptions.
"""
