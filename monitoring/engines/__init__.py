"""Engines: rows to states. `local` uses threads of this process, `spark` a session or a cluster; both run the same kernel.

`window` counts a window with the states that are kept, hour by hour.
"""
