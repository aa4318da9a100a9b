"""Reads captured data back: the objects of a window as Arrow, one event by its id, and whether anything is missing.

`reader` finds and fetches objects, `captured_object` and `jsonl_reader` decode one, `completeness` judges a window by the
ledgers, `summary` counts. Other rooms may import this package and `capture.dataset`, nothing else of `capture`.
"""
