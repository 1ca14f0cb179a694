"""Language identification by fastText's compressed model, which the package brings along."""
