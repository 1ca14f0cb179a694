"""Master keys in a file of the home, in an environment variable, or (for tests) in memory."""

from tertulia.adapters.keyfile.envelope import disclose, enclose
from tertulia.adapters.keyfile.keyring import Keyring
from tertulia.adapters.keyfile.vault import EnvironmentVault, FileVault, MemoryVault

__all__ = ["EnvironmentVault", "FileVault", "Keyring", "MemoryVault", "disclose", "enclose"]
