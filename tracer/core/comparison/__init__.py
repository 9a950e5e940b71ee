"""Two sources in lock-step: which call sites are paired, judged, blamed, and how the blame is proved."""
