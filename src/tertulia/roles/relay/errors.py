"""What can go wrong with the relay.

TertuliaError
└── DeadLetterMissingError
"""

from tertulia.kit.errors import Kind, TertuliaError


class DeadLetterMissingError(TertuliaError):
    """Some of these ids belong to no dead letter."""

    code = "dead_letter_missing"
    kind = Kind.NOT_FOUND
