"""The forms in which a run is written down, one file each."""
