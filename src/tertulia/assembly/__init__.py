"""The composition root: which adapter stands behind which port, and the life of a process."""
