"""Preprocessing, common to every way a message comes in: normalise, label, choose a worker."""
