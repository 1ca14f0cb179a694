"""Master keys in a file of the home, in an environment variable, or (for tests) in memory."""

from tertulia.adapters.keyfile.vault import EnvironmentVault, FileVault, MemoryVault

__all__ = ["EnvironmentVault", "FileVault", "MemoryVault"]
